"""The calendars of a pipeline in a file of their own, `<calendars>/<pipeline>.json`, which running UDFs follow.

A deployment writes one for each pipeline, also for a pipeline without calendars, so that a file that is not there is
known to be missing. It holds maintenance and quiet times. Holidays change scores, so they stay in the specification of
the task and in its fingerprint.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from anomaly.pipeline.calendars import HOLIDAY
from anomaly.pipeline.specification import Pipeline
from anomaly.pipeline.validate import normalize

_KEY = "calendars"
_SUFFIX = ".json"
_FIX = "write it anew with playbooks/calendars.yml"


class CalendarsError(Exception):
    """A file of calendars cannot be used; the message says what to do."""


def calendars_name(pipeline: str) -> str:
    """Return the name of the file of a pipeline's calendars."""
    return pipeline + _SUFFIX


def calendars_document(pipeline: Pipeline) -> str:
    """Return the content of the file of a pipeline's calendars."""
    entries = [calendar.entry() for calendar in pipeline.live_calendars]
    return json.dumps({_KEY: entries}, indent=2, ensure_ascii=False) + "\n"


def read_calendars(path: Path, pipeline: Pipeline) -> Pipeline:
    """Return a pipeline with the calendars of a file, checked as those of a specification are.

    Args:
        path: the file.
        pipeline: the pipeline, whose holidays stay.

    Raises:
        CalendarsError: the file is not there, cannot be read, or is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, Mapping) or not isinstance(content.get(_KEY), list):
            raise TypeError(f"it has no list {_KEY}")
        specification = pipeline.with_live_calendars(()).as_dict()
        entries = [*specification.pop(_KEY, ()), *content[_KEY]]
        (checked,) = normalize([{**specification, **({_KEY: entries} if entries else {})}])
    except FileNotFoundError:
        raise CalendarsError(f"{path} is not there: {_FIX}") from None
    except OSError as error:
        raise CalendarsError(f"{path} cannot be read: {error.strerror}: {_FIX}") from error
    except (TypeError, ValueError) as error:
        raise CalendarsError(f"{path} is damaged ({error}): {_FIX}") from error
    if any(entry["means"] == HOLIDAY for entry in content[_KEY]):
        raise CalendarsError(f"{path} has holidays, which belong to the pipeline's specification: {_FIX}")
    return pipeline.with_live_calendars(checked.live_calendars)
