"""The one rule by which results name the tags of a series.

Results carry a series' tags beside tags and fields of their own, and InfluxQL and TICKscript cannot tell two of one
name apart. So results rename a tag of the source that is named like one of their own: `state` becomes `tag_state`. The
rule knows nothing of the pipeline, so that a tag has one name in all results.
"""

_PREFIX = "tag_"
# The tags of results beside those of a series, and all fields of `score`, `period`, `drift`, `late`, `notice` and
# `feedback`.
_TAGS = frozenset({"pipeline", "notice"})
_FIELDS = frozenset(
    "score threshold severity label model feedback begin_ms end_ms state peak_score peak_severity points reason psi "
    "above filled drifted shadow history quiet joint kind note text count seen_ms done_ms".split()
)
_FIELD_PREFIXES = ("value_", "expected_low_", "expected_high_", "contribution_", "psi_")


def result_tag(tag: str) -> str:
    """Return the name by which results carry a tag of the source."""
    is_ours = tag in _TAGS or tag in _FIELDS or tag.startswith(_FIELD_PREFIXES)
    return f"{_PREFIX}{tag}" if is_ours else tag
