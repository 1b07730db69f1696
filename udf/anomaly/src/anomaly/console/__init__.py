"""The console: pages in a browser that say what detection finds, and take feedback on it.

`app` makes the application, which `anomaly console` serves. In the order in which a request passes them:

- `settings`: address, users and secrets, from the file that the role writes.
- `stack`: how pages reach InfluxDB, the pipelines and the models.
- `accounts`: who may come in, and how often somebody may be wrong.
- `guard`: sessions, CSRF tokens, roles, and headers that forbid a page what it does not need.
- `pages`: rendering, and the pages for errors.
- `advice`: what somebody in front of a page can do about an error.
- `filters`: how templates show numbers, times and names.
- `asked`: what a request asks for, each with one clear error.
- `cache`: keeps an answer for a while.
- `login`: in and out.
- `now`, `series`, `period`, `what_if`, `versions` (of models) and `report`: the pages, and their answers as JSON.
- `trial`: what a changed pipeline would have found, which `trials` runs in a process of its own.
- `openapi`: the document that describes the JSON API.

Nothing here is imported by serving. A page loads nothing from outside, and needs no build step.
"""
