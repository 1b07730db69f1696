"""Where a pipeline's dashboard is in Grafana: its identifier, and its variables."""

import hashlib


def dashboard_uid(pipeline: str) -> str:
    """Return the identifier of the dashboard of a pipeline, by its name; Grafana allows 40 characters."""
    return f"anomaly-{hashlib.sha1(pipeline.encode(), usedforsecurity=False).hexdigest()[:20]}"


def tag_variable(number: int) -> str:
    """Return the name of the dashboard's variable for a tag of the series, by its number from 0 in `result_tags`.

    Grafana allows letters, digits and `_` in such a name, and a tag may have any.
    """
    return f"tag{number + 1}"
