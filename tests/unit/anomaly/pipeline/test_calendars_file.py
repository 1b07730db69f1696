"""The file of calendars that running UDFs follow: what a deployment writes is read, and a damaged one is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.calendars_file import CalendarsError, calendars_document, calendars_name, read_calendars

NIGHT = {"means": "quiet", "begin": "2026-01-04T22:00", "lasts": "8h", "rule": "FREQ=DAILY"}
SERVICE = {"means": "maintenance", "begin": "2026-01-04T02:00", "lasts": "2h"}
HOLIDAYS = {"means": "holiday", "country": "DE"}


def pipeline(*calendars: dict[str, str]) -> Pipeline:
    mapping: dict[str, Any] = {
        "name": "rooms",
        "database": "home",
        "measurement": "climate",
        "fields": ["temperature"],
        "window": "1m",
        "seasonality": ["1d", "1w"],
    }
    return normalize([{**mapping, **({"calendars": list(calendars)} if calendars else {})}])[0]


def written(folder: Path, *calendars: dict[str, str]) -> Path:
    path = folder / calendars_name("rooms")
    path.write_text(calendars_document(pipeline(*calendars)), encoding="utf-8")
    return path


@pytest.mark.parametrize("before", [(), (NIGHT,), (SERVICE, NIGHT)])
@pytest.mark.parametrize("calendars", [(), (SERVICE,), (NIGHT, SERVICE)])
def test_the_calendars_of_the_file_take_the_place_of_those_before(
    tmp_path: Path, before: tuple[dict[str, str], ...], calendars: tuple[dict[str, str], ...]
) -> None:
    assert read_calendars(written(tmp_path, *calendars), pipeline(*before)) == pipeline(*calendars)


def test_holidays_change_scores_and_stay_those_of_the_specification(tmp_path: Path) -> None:
    path = written(tmp_path, HOLIDAYS, SERVICE)
    assert json.loads(path.read_text()) == {"calendars": [SERVICE]}
    followed = read_calendars(path, pipeline(HOLIDAYS, NIGHT))
    assert followed == pipeline(HOLIDAYS, SERVICE)
    assert followed.fingerprint == pipeline(HOLIDAYS).fingerprint


def test_a_file_that_is_not_there_is_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(CalendarsError, match=r"rooms.json is not there: write it anew with playbooks/calendars.yml"):
        read_calendars(tmp_path / "rooms.json", pipeline())


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CalendarsError, match=r"cannot be read: Is a directory: write it anew"):
        read_calendars(tmp_path, pipeline())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "Expecting value"),
        ("[]", "it has no list calendars"),
        ('{"calendars": 1}', "it has no list calendars"),
        ('{"calendars": ["x"]}', "is not a mapping"),
        ('{"calendars": [{"means": "odd"}]}', "is none of maintenance, quiet, holiday"),
        ('{"calendars": [{"means": "quiet", "begin": "soon", "lasts": "1h"}]}', "is not a local time"),
    ],
)
def test_a_damaged_file_is_named_with_the_mistake_and_the_fix(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "rooms.json"
    path.write_text(text)
    with pytest.raises(CalendarsError, match=r"rooms.json is damaged") as caught:
        read_calendars(path, pipeline(HOLIDAYS))
    assert named in str(caught.value)
    assert str(caught.value).endswith(": write it anew with playbooks/calendars.yml")


def test_a_file_that_is_not_text_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "rooms.json").write_bytes(b"\xff\xfe")
    with pytest.raises(CalendarsError, match=r"rooms.json is damaged"):
        read_calendars(tmp_path / "rooms.json", pipeline())


def test_a_file_with_holidays_is_refused_whatever_the_specification_has(tmp_path: Path) -> None:
    (tmp_path / "rooms.json").write_text(json.dumps({"calendars": [HOLIDAYS]}))
    for known in (pipeline(), pipeline(HOLIDAYS)):
        with pytest.raises(CalendarsError, match=r"has holidays, which belong to the pipeline's specification"):
            read_calendars(tmp_path / "rooms.json", known)
