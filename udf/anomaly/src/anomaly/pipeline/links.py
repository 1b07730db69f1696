"""The link at the end of an alert's message: to the console, or else to the pipeline's dashboard in Grafana.

`link` makes it as a template that Kapacitor fills in, and `link_text` is what the template becomes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from anomaly.nanoseconds import HOUR_NS, MS_NS, rfc3339
from anomaly.pipeline.dashboard import dashboard_uid, tag_variable
from anomaly.pipeline.specification import Pipeline

# A link shows this many windows on both sides of what it is about, but at least an hour.
_WINDOWS_BESIDE = 60
# RFC 3339 in Go's words.
_GO_TIME = "2006-01-02T15:04:05Z"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where browsers reach the pages that a message may lead to. It leads to the console if both are known.

    Attributes:
        grafana: the address of Grafana; empty where there is none.
        console: the address of the console; empty where there is none.
    """

    grafana: str = ""
    console: str = ""


NO_ADDRESSES = Addresses()


def link(pipeline: Pipeline, addresses: Addresses) -> str:
    """Return the end of an alert's message as Kapacitor's template: a space and an address; empty if there is none.

    The template fills in the series and the time: `.Time` is the begin, and the field `_lasted` how long it lasted.
    The results of periods alone have the field `reason`.

    Args:
        pipeline: the pipeline.
        addresses: where browsers reach the pages.
    """
    if addresses.console:
        begin, end = _go_times(pipeline, f'UTC.Format "{_GO_TIME}"')
        is_period = '{{ if index .Fields "reason" }}'
        tags = [f"(index .Tags {_go_string(tag)})" for tag in pipeline.result_tags]
        is_series = f"{{{{ else if or {' '.join(tags)} }}}}" if tags else "{{ else }}"
        names = [f"&series={quote_plus(f'{tag}=')}" for tag in pipeline.result_tags]
        return (
            f" {base(addresses.console)}/{is_period}period{is_series}series{{{{ end }}}}"
            f"?pipeline={quote_plus(pipeline.name)}{_go_series(pipeline, names)}"
            f"{is_period}&begin={{{{ .Time.UnixNano }}}}{is_series}&from={begin}&to={end}{{{{ end }}}}"
        )
    if addresses.grafana:
        begin, end = _go_times(pipeline, "UnixMilli")
        names = [f"&var-{tag_variable(number)}=" for number in range(len(pipeline.result_tags))]
        return f" {_dashboard(pipeline, addresses)}/?from={begin}&to={end}{_go_series(pipeline, names)}"
    return ""


def link_text(
    pipeline: Pipeline, addresses: Addresses, tags: Mapping[str, str], time_ns: int, lasted_ns: int, *, is_period: bool
) -> str:
    """Return what the template of `link` becomes.

    Args:
        pipeline: the pipeline.
        addresses: as for `link`.
        tags: the tags of the series' results.
        time_ns: the begin of what the alert is about.
        lasted_ns: how long it lasted.
        is_period: whether it is a period.
    """
    around_ns = beside_ns(pipeline)
    from_ns, to_ns = time_ns - around_ns, time_ns + lasted_ns + around_ns
    if addresses.console:
        if is_period:
            return period_link(addresses, pipeline.name, tags, time_ns)
        own = {tag: tags[tag] for tag in pipeline.result_tags if tags.get(tag)}
        series = _console_series(pipeline.name, own)
        if pipeline.result_tags and not own:
            # The alert is about all series.
            return f" {base(addresses.console)}/?{series}"
        return f" {base(addresses.console)}/series?{series}&from={rfc3339(from_ns)}&to={rfc3339(to_ns)}"
    if addresses.grafana:
        chosen = "".join(
            f"&var-{tag_variable(number)}={quote_plus(tags[tag])}"
            for number, tag in enumerate(pipeline.result_tags)
            if tags.get(tag)
        )
        return f" {_dashboard(pipeline, addresses)}/?from={from_ns // MS_NS}&to={to_ns // MS_NS}{chosen}"
    return ""


def period_link(addresses: Addresses, pipeline: str, tags: Mapping[str, str], begin_ns: int) -> str:
    """Return a space and the address of the console's page of a period.

    Args:
        addresses: where browsers reach the console.
        pipeline: the name of the pipeline.
        tags: the tags of the series' results; the tag `pipeline` may be among them.
        begin_ns: the begin of the period.
    """
    series = _console_series(pipeline, {tag: value for tag, value in tags.items() if tag != "pipeline"})
    return f" {base(addresses.console)}/period?{series}&begin={begin_ns}"


def base(address: str) -> str:
    """Return an address that further parts are added to; a brace in it would begin an action of a template."""
    return quote(address.rstrip("/"), safe=":/?#[]@!$&()*+,;=%~-._")


def _console_series(pipeline: str, tags: Mapping[str, str]) -> str:
    named = "".join(f"&series={quote_plus(f'{tag}={value}')}" for tag, value in tags.items() if value)
    return f"pipeline={quote_plus(pipeline)}{named}"


def _dashboard(pipeline: Pipeline, addresses: Addresses) -> str:
    return f"{base(addresses.grafana)}/d/{dashboard_uid(pipeline.name)}"


def _go_string(text: str) -> str:
    # A template knows Go's strings, which are those of JSON here.
    return json.dumps(text, ensure_ascii=False)


def _go_series(pipeline: Pipeline, names: list[str]) -> str:
    """Return the part of a template that names the tags which the series has, each after its text in `names`."""
    return "".join(
        f"{{{{ with index .Tags {_go_string(tag)} }}}}{name}{{{{ urlquery . }}}}{{{{ end }}}}"
        for tag, name in zip(pipeline.result_tags, names, strict=True)
    )


def _go_times(pipeline: Pipeline, written: str) -> tuple[str, str]:
    """Return the parts of a template for the begin and the end of what a link shows, written by a method of Go's."""
    around_ns = beside_ns(pipeline)
    end = (
        f'{{{{ with index .Fields "_lasted" }}}}{{{{ (($.Time.Add .).Add {around_ns}).{written} }}}}'
        f"{{{{ else }}}}{{{{ (.Time.Add {around_ns}).{written} }}}}{{{{ end }}}}"
    )
    return f"{{{{ (.Time.Add -{around_ns}).{written} }}}}", end


def beside_ns(pipeline: Pipeline) -> int:
    """Return how much a link shows on both sides of what it is about, in nanoseconds."""
    return max(HOUR_NS, _WINDOWS_BESIDE * pipeline.window_ns)
