"""The end-to-end demonstration: deploys a stack, trains it on clean history, and streams a day with known faults.

``python -m demo`` (``make demo``) exits 0 only if every injected fault is found with at most one false period,
and the silence of a live device is told while it lasts.

In the order in which a demonstration passes the modules:

- ``cli``: reads the arguments; ``errors`` has the exception that it turns into a message.
- ``run``: runs the eight steps; ``steps`` prints their headings.
- ``playbook``: runs Ansible, with the ``pipelines`` that the demonstration brings along.
- ``stack``: reads what was deployed, and ``plan`` decides when which data are streamed.
- ``history``: checks the clean history.
- ``database`` and ``kapacitor``: talk to the stack's services.
- ``live``: lets a device of the present fall silent beside the stream, and measures when that is told.
- ``feed``: holds the stream back until the stack has scored it.
- ``windows``: counts the windows that must have a score.
- ``verdict``: compares the found periods with the injected faults.
- ``table`` and ``report``: show the verdict.
"""
