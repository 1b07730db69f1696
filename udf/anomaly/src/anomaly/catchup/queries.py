"""What a catch-up asks of InfluxDB, as text.

Results are in the default retention policy of their database, where a series has the pipeline's `result_tags` and the
tag `pipeline`.
"""

from collections.abc import Sequence

from anomaly.influxdb.influxql import between, by_tags, identifier, literal, of_series, source, watched
from anomaly.pipeline import Pipeline
from anomaly.scoring.notices import SILENCE
from anomaly.scoring.periods import NEW_LEVEL, NO_DATA
from anomaly.scoring.results import LIMIT_FIELD

# The tag that tells notices of different kinds apart.
NOTICE_TAG = "notice"
# The field of `late` that holds the sign of the window's period.
PERIOD_SIGN_FIELD = "_period"
PERIOD_FIELDS = ("begin_ms", "end_ms", "state", "peak_score", "peak_severity", "points", "reason", "model")
# What a stored period is compared by: a period has the last field only where its reason is a limit.
COMPARED_FIELDS = (*PERIOD_FIELDS, "text", LIMIT_FIELD)


def source_counts(pipeline: Pipeline, begin_ns: int, end_ns: int, bucket_ns: int) -> str:
    """Return the query for how many points of each telling field each series has in each bucket that has any."""
    counts = ", ".join(f"count({identifier(field)})" for field in _telling(pipeline))
    return (
        f"SELECT {counts} FROM {source(pipeline)} WHERE {between(begin_ns, end_ns)}{watched(pipeline)}"
        f" GROUP BY time({bucket_ns}ns){by_tags(pipeline.point_tags)} fill(none)"
    )


def newest(pipeline: Pipeline, begin_ns: int) -> str:
    """Return the query for each series' newest point since `begin_ns` that has a telling field."""
    fields = ", ".join(map(identifier, _telling(pipeline)))
    return (
        f"SELECT {fields} FROM {source(pipeline)} WHERE time >= {begin_ns}{watched(pipeline)}"
        f"{_grouped(pipeline.point_tags)} ORDER BY time DESC LIMIT 1"
    )


def score_counts(pipeline: Pipeline, begin_ns: int, end_ns: int, bucket_ns: int) -> str:
    """Return the query for how many scores each series has in each bucket that has any."""
    return (
        f'SELECT count("severity") FROM "score" WHERE {_mine(pipeline)} AND {between(begin_ns, end_ns)}'
        f" GROUP BY time({bucket_ns}ns){by_tags(pipeline.result_tags)} fill(none)"
    )


def first_score(pipeline: Pipeline, begin_ns: int) -> str:
    """Return the query for the oldest score of any series since `begin_ns`."""
    return f'SELECT first("severity") FROM "score" WHERE {_mine(pipeline)} AND time >= {begin_ns}'


def first_score_of(pipeline: Pipeline, key: Sequence[str], model: str | None, end_ns: int) -> str:
    """Return the query for the oldest score of one series by one model, or by any for None, before `end_ns`."""
    of_model = "" if model is None else f' AND "model" = {literal(model)}'
    return (
        f'SELECT first("severity") FROM "score" WHERE {_mine(pipeline)}{of_model}'
        f" AND time < {end_ns}{of_series(pipeline.result_tags, key)}"
    )


def first_new_level(pipeline: Pipeline, key: Sequence[str], model: str, end_ns: int) -> str:
    """Return the query for the oldest new level of one series by one model that began before `end_ns`."""
    return (
        f'SELECT first("end_ms") FROM "period" WHERE {_mine(pipeline)} AND "model" = {literal(model)}'
        f' AND "reason" = {literal(NEW_LEVEL)} AND time < {end_ns}{of_series(pipeline.result_tags, key)}'
    )


def scored_begins(pipeline: Pipeline, key: Sequence[str] | None, begin_ns: int, end_ns: int) -> str:
    """Return the query for the scores of one series, or of all series for None, series by series."""
    return (
        f'SELECT "severity" FROM "score" WHERE {_mine(pipeline)} AND {between(begin_ns, end_ns)}'
        f"{of_series(pipeline.result_tags, key)}{_grouped(pipeline.result_tags)}"
    )


def scores(pipeline: Pipeline, key: Sequence[str], begin_ns: int, end_ns: int) -> str:
    """Return the query for label, model and suppressing mark of each score of one series, by time."""
    return (
        f'SELECT "label", "model", "feedback" FROM "score" WHERE {_mine(pipeline)} AND {between(begin_ns, end_ns)}'
        f"{of_series(pipeline.result_tags, key)}"
    )


def whole_scores(pipeline: Pipeline, key: Sequence[str], begin_ns: int, end_ns: int) -> str:
    """Return the query for all fields of each score of one series, by time."""
    return (
        f'SELECT *::field FROM "score" WHERE {_mine(pipeline)} AND {between(begin_ns, end_ns)}'
        f"{of_series(pipeline.result_tags, key)}"
    )


def first_score_in(pipeline: Pipeline, key: Sequence[str], begin_ns: int, end_ns: int) -> str:
    """Return the query for the oldest score of one series in [begin_ns, end_ns)."""
    return (
        f'SELECT first("severity") FROM "score" WHERE {_mine(pipeline)} AND {between(begin_ns, end_ns)}'
        f"{of_series(pipeline.result_tags, key)}"
    )


def remove_score(pipeline: Pipeline, key: Sequence[str], begin_ns: int) -> str:
    """Return the statement that removes the score of one window."""
    where = f"{_mine(pipeline)} AND {between(begin_ns, begin_ns + 1)}{of_series(pipeline.result_tags, key)}"
    return f'DELETE FROM "score" WHERE {where}'


def late_windows(pipeline: Pipeline, begin_ns: int, end_ns: int) -> str:
    """Return the query for the windows that got late points, series by series, and whether they were scored again."""
    return (
        f'SELECT "points", "seen_ms", "done_ms", {identifier(PERIOD_SIGN_FIELD)} FROM "late"'
        f" WHERE {_mine(pipeline)} AND {between(begin_ns, end_ns)}{_grouped(pipeline.result_tags)}"
    )


def periods_of_state(pipeline: Pipeline, state: str, begin_ns: int, end_ns: int) -> str:
    """Return the query for end and reason of the `open` or `closed` periods of a time, series by series.

    They are those that begin in [begin_ns, end_ns).
    """
    return (
        f'SELECT "end_ms", "reason" FROM "period" WHERE {_mine(pipeline)} AND "state" = {literal(state)}'
        f" AND {between(begin_ns, end_ns)}{_grouped(pipeline.result_tags)}"
    )


def other_periods(pipeline: Pipeline, begin_ns: int, end_ns: int) -> str:
    """Return the query for end, state and reason of the periods in [begin_ns, end_ns) that are not silences."""
    return (
        f'SELECT "end_ms", "state", "reason" FROM "period" WHERE {_mine(pipeline)} AND "reason" <> {literal(NO_DATA)}'
        f" AND {between(begin_ns, end_ns)}{_grouped(pipeline.result_tags)}"
    )


def joint_silences(pipeline: Pipeline, end_ns: int) -> str:
    """Return the query for the notices that all series are silent which begin before `end_ns`, by time."""
    return f'SELECT "end_ms", "state" FROM "notice" WHERE {_joint(pipeline)} AND time < {end_ns}'


def remove_joint_silence(pipeline: Pipeline, begin_ns: int) -> str:
    """Return the statement that removes the notice that all series are silent since `begin_ns`."""
    return f'DELETE FROM "notice" WHERE {_joint(pipeline)} AND {between(begin_ns, begin_ns + 1)}'


def periods(pipeline: Pipeline, key: Sequence[str], begin_ns: int, end_ns: int) -> str:
    """Return the query for the periods of one series that begin in [begin_ns, end_ns), by time."""
    fields = ", ".join(map(identifier, COMPARED_FIELDS))
    where = f"{_mine(pipeline)} AND {between(begin_ns, end_ns)}{of_series(pipeline.result_tags, key)}"
    return f'SELECT {fields} FROM "period" WHERE {where}'


def last_period(pipeline: Pipeline, key: Sequence[str], end_ns: int) -> str:
    """Return the query for end, state and reason of the last period of one series that begins before `end_ns`."""
    where = f"{_mine(pipeline)} AND time < {end_ns}{of_series(pipeline.result_tags, key)}"
    return f'SELECT "end_ms", "state", "reason" FROM "period" WHERE {where} ORDER BY time DESC LIMIT 1'


def remove_period(pipeline: Pipeline, key: Sequence[str], begin_ns: int) -> str:
    """Return the statement that removes the period of one series that begins at `begin_ns`."""
    where = f"{_mine(pipeline)} AND {between(begin_ns, begin_ns + 1)}{of_series(pipeline.result_tags, key)}"
    return f'DELETE FROM "period" WHERE {where}'


def _telling(pipeline: Pipeline) -> tuple[str, ...]:
    """Return fields of which every scored window has at least one: the first alone where windows need all fields."""
    return pipeline.sources[:1] if pipeline.missing == "skip" else pipeline.sources


def _joint(pipeline: Pipeline) -> str:
    return f"{_mine(pipeline)} AND {identifier(NOTICE_TAG)} = {literal(SILENCE)}"


def _mine(pipeline: Pipeline) -> str:
    return f'"pipeline" = {literal(pipeline.name)}'


def _grouped(tags: Sequence[str]) -> str:
    return f" GROUP BY {', '.join(map(identifier, tags))}" if tags else ""
