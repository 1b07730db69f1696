"""Where a pipeline's dashboard is: its identifier, its variables, and the link to it that an alert carries."""

import hashlib
import json
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

from anomaly.pipeline.specification import Pipeline

_HOUR_NS = 3_600_000_000_000
# A link shows this many windows on both sides of what it is about, but at least an hour.
_WINDOWS_BESIDE = 60


def dashboard_uid(pipeline: str) -> str:
    """Return the identifier of the dashboard of a pipeline, by its name; Grafana allows 40 characters."""
    return f"anomaly-{hashlib.sha1(pipeline.encode(), usedforsecurity=False).hexdigest()[:20]}"


def tag_variable(number: int) -> str:
    """Return the name of the dashboard's variable for a tag of the series, by its number from 0 in `result_tags`.

    Grafana allows letters, digits and `_` in such a name, and a tag may have any.
    """
    return f"tag{number + 1}"


def link(pipeline: Pipeline, grafana_url: str) -> str:
    """Return the end of an alert's message as Kapacitor's template: a space and the address of the dashboard.

    The template fills in the series and the time: `.Time` is the begin, and the field `_lasted` how long it lasted.

    Args:
        pipeline: the pipeline.
        grafana_url: the address under which browsers reach Grafana; empty: there is no link.
    """
    if not grafana_url:
        return ""
    beside_ns = _beside_ns(pipeline)
    # A template knows Go's strings, which are those of JSON here.
    series = "".join(
        f"{{{{ with index .Tags {json.dumps(tag, ensure_ascii=False)} }}}}"
        f"&var-{tag_variable(number)}={{{{ urlquery . }}}}{{{{ end }}}}"
        for number, tag in enumerate(pipeline.result_tags)
    )
    return (
        f"{_begin(pipeline, grafana_url)}{{{{ (.Time.Add -{beside_ns}).UnixMilli }}}}"
        f'&to={{{{ with index .Fields "_lasted" }}}}{{{{ (($.Time.Add .).Add {beside_ns}).UnixMilli }}}}'
        f"{{{{ else }}}}{{{{ (.Time.Add {beside_ns}).UnixMilli }}}}{{{{ end }}}}{series}"
    )


def address(pipeline: Pipeline, grafana_url: str, tags: Mapping[str, str], time_ns: int, lasted_ns: int) -> str:
    """Return what the template of `link` becomes.

    Args:
        pipeline: the pipeline.
        grafana_url: as for `link`.
        tags: the tags of the series' results.
        time_ns: the begin of what the alert is about.
        lasted_ns: how long it lasted.
    """
    if not grafana_url:
        return ""
    beside_ns = _beside_ns(pipeline)
    from_ms, to_ms = ((time_ns + more) // 1_000_000 for more in (-beside_ns, lasted_ns + beside_ns))
    series = "".join(
        f"&var-{tag_variable(number)}={quote_plus(tags[tag])}"
        for number, tag in enumerate(pipeline.result_tags)
        if tags.get(tag)
    )
    return f"{_begin(pipeline, grafana_url)}{from_ms}&to={to_ms}{series}"


def _begin(pipeline: Pipeline, grafana_url: str) -> str:
    # A brace would begin an action of the template.
    base = quote(grafana_url.rstrip("/"), safe=":/?#[]@!$&()*+,;=%~-._")
    return f" {base}/d/{dashboard_uid(pipeline.name)}/?from="


def _beside_ns(pipeline: Pipeline) -> int:
    return max(_HOUR_NS, _WINDOWS_BESIDE * pipeline.window_ns)
