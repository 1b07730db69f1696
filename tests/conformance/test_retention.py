"""Old scores are deleted from a real InfluxDB, and nothing else is."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from anomaly.cli import main
from anomaly.influxdb.marks import read_feedback, write_feedback
from anomaly.influxdb.retention import expiry_ns
from anomaly.pipeline import normalize
from anomaly.scoring.feedback import FALSE_ALARM, Mark
from daemons.influxd import Influxd

pytestmark = pytest.mark.containers

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
PLAIN = {"name": "p", "database": "db", "measurement": "m", "fields": ["x"], "group_by": ["room"], "window": "1h"}
(PIPELINE,) = normalize([PLAIN])


def fill(influxd: Influxd, pipeline: str, first_ns: int, last_ns: int) -> None:
    """Write what a stack writes, for each hour and of two series."""
    lines = []
    for begin_ns in range(first_ns, last_ns, HOUR):
        for room in ("a", "b"):
            tags = f"pipeline={pipeline},room={room}"
            fields = "score=0.5,severity=3.0,label=1i,value_x=20.5,contribution_x=1.0"
            lines += [f"{name},{tags} {fields} {begin_ns}" for name in ("score", "score_shadow")]
            lines.append(f'period,{tags} begin_ms=1i,end_ms=2i,state="closed",severity=3.0 {begin_ns}')
        lines.append(f"udf,udf=anomaly,task={pipeline},node=n points_in=1i {begin_ns}")
        lines.append(f'health,check=udf,pipeline={pipeline} ok=1i,text="" {begin_ns}')
    influxd.client.write(lines, "anomaly")


def times(influxd: Influxd, measurement: str, field: str, condition: str) -> list[int]:
    query = f'SELECT "{field}" FROM "{measurement}" WHERE {condition}'
    return [row[0] for chunk in influxd.client.query(query, "anomaly") for row in chunk.rows]


def expire(influxd: Influxd, directory: Path, capsys: pytest.CaptureFixture[str], **keys: Any) -> dict[str, Any]:
    specification = directory / "pipelines.json"
    specification.write_text(json.dumps([PLAIN | keys]), encoding="utf-8")
    options = ["--spec", str(specification), "--influxdb-url", influxd.url, "--results-database", "anomaly"]
    capsys.readouterr()
    assert main(["expire", *options, "--days", "90"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_old_scores_are_deleted_and_nothing_else(
    influxd: Influxd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    influxd.create("anomaly")
    expiry = expiry_ns(time.time_ns(), 90)
    first, last = expiry - 10 * DAY, expiry + 3 * DAY
    hours = list(range(first, last, HOUR))
    for name in ("p", "other"):
        fill(influxd, name, first, last)
    mark = Mark(FALSE_ALARM, first + 30 * HOUR, first + 33 * HOUR, {"room": "a"}, "")
    write_feedback(influxd.client, "anomaly", "p", mark)
    (before,) = read_feedback(influxd.client, "anomaly", PIPELINE)

    answer = expire(influxd, tmp_path, capsys)

    assert answer["status"] == "expired"
    assert answer["measurements"] == ["score", "score_shadow", "udf", "health"]
    younger = [begin_ns for begin_ns in hours if begin_ns >= expiry]
    marked = hours[30:33]
    mine = "\"pipeline\" = 'p' AND \"room\" = 'a'"
    assert times(influxd, "score", "severity", mine) == marked + younger
    assert times(influxd, "score_shadow", "severity", mine) == younger
    assert times(influxd, "udf", "points_in", "\"task\" = 'p'") == younger
    assert times(influxd, "health", "ok", "\"pipeline\" = 'p'") == younger
    assert times(influxd, "period", "end_ms", mine) == hours
    assert times(influxd, "score", "severity", "\"pipeline\" = 'other' AND \"room\" = 'a'") == hours
    assert times(influxd, "udf", "points_in", "\"task\" = 'other'") == hours
    (after,) = read_feedback(influxd.client, "anomaly", PIPELINE)
    assert before.appearance is not None
    assert after == before, "a false alarm still knows what it was about"
    assert expire(influxd, tmp_path, capsys)["status"] == "unchanged"


def test_scores_that_a_catch_up_looks_back_to_stay(
    influxd: Influxd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    influxd.create("anomaly")
    expiry = expiry_ns(time.time_ns(), 90)
    fill(influxd, "p", expiry - 2 * HOUR, expiry)
    # A catch-up looks back to a hundred windows.
    assert expire(influxd, tmp_path, capsys, window="2d")["status"] == "unchanged"
    assert expire(influxd, tmp_path, capsys)["status"] == "expired"


@pytest.mark.parametrize("days", ["13", "0", "-1"])
def test_too_few_days_are_refused(days: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    specification = tmp_path / "pipelines.json"
    specification.write_text(json.dumps([PLAIN]), encoding="utf-8")
    options = ["--spec", str(specification), "--influxdb-url", "http://127.0.0.1:9"]
    assert main(["expire", *options, "--days", days]) != 0
    assert f"--days: {days} is less than 14" in capsys.readouterr().err
