"""Backtests: compare the periods that a model finds in history with labels.

`run` is the use case, from a typed request to a report. In the order in which data pass them:

- `replay`: scores windows with the core that serves, and keeps the periods of several opening severities.
- `labels`: reads the labels from a file, or makes them of marks of feedback.
- `evaluate`: compares periods with labels, on intervals alone.
- `report`: makes one document of the figures, and text, Markdown and HTML of the document.
- `chart` and `feedback_form`: the pictures of the HTML page, and its form for feedback.
- `drawing` and `page`: shapes, and the begin and tables of pages, which the report and the demonstration use, too.

Beside them, `comparison` compares the results of two models, for `anomaly models compare`.
"""
