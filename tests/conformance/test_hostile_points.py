"""What the product's script keeps away from the UDF, with a real kapacitord: one hostile point must not end a task."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anomaly.kapacitor.tickscript import declared, find_script
from anomaly.kapacitor.variables import TaskSettings, vars_document
from anomaly.pipeline import normalize
from daemons.influxd import Influxd
from daemons.kapacitord import Kapacitord

pytestmark = pytest.mark.containers

Start = Callable[..., Kapacitord]
ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
AWKWARD = ["the hall", 'a"b', "it's", "back\\slash", "{{ x }}", "ü数", "$x"]


@pytest.fixture
def start(kapacitord: Start, influxd: Influxd) -> Callable[..., Kapacitord]:
    """Start a kapacitord with a pipeline's task, whose UDF logs each point that it gets."""
    influxd.create("anomaly")

    def started(**changes: Any) -> Kapacitord:
        kapacitor = kapacitord(
            commands={"anomaly": [sys.executable, str(PROGRAMS / "logging_points.py")]},
            environment={"PYTHONPATH": os.pathsep.join([str(ROOT / "udf/kapacitor_udf/src"), str(PROGRAMS)])},
            influxdb=influxd.url,
            timeout="60s",
        )
        plain = {"name": "p", "database": "db", "measurement": "m", "fields": ["a", "b"], "window": "10s"}
        (pipeline,) = normalize([{**plain, **changes}])
        script = find_script(pipeline, Path())
        kapacitor.define(
            "p", script, document=vars_document(TaskSettings(pipeline, "anomaly", "stack"), declared(script))
        )
        return kapacitor

    return started


def write(kapacitor: Kapacitord, *lines: bytes) -> None:
    """Write lines that need not be UTF-8."""
    answer = kapacitor.call("POST", "/write?db=db&rp=autogen&precision=s", b"\n".join(lines))
    assert answer.status == 204, answer.body.decode()


def test_what_nobody_watches_does_not_end_the_task(start: Callable[..., Kapacitord]) -> None:
    kapacitor = start(group_by=["t"])
    write(
        kapacitor,
        b'm,t=x a=1,b=2,note="l\xe4uft" 1',
        b"m,t=x a=1,b=2,other=3 2",
        b"m,t=\xfc a=1,b=2 3",
        "m,t=\ufffd a=1,b=2 4".encode(),
        b"m,t=x a=1,b=2 5",
    )
    kapacitor.wait_for_log("point 5: t=x a=1.0 b=2.0")
    points = [line.split("point ")[1].rstrip('"') for line in kapacitor.log if "point " in line and "t=" in line]
    assert points == [f"{second}: t=x a=1.0 b=2.0" for second in (1, 2, 5)]
    assert kapacitor.task("p")["executing"]


def test_a_field_that_is_missing_or_of_another_type_costs_no_point_and_no_error(
    start: Callable[..., Kapacitord],
) -> None:
    kapacitor = start(group_by=["t"])
    write(
        kapacitor,
        b"m,t=x b=2 1",
        b"m a=1 2",
        b"m,t=x other=1 3",
        b'm,t=x a="text",b=3i 4',
        b"m,t=x a=true,b=2,c=1 5",
        b"m,t=x a=1,b=2 6",
    )
    for message in (
        "point 1: t=x b=2.0",
        "point 2: a=1.0",
        "point 3: t=x",
        "point 4: t=x a=text b=3",
        "point 5: t=x a=True b=2.0",
        "point 6: t=x a=1.0 b=2.0",
    ):
        kapacitor.wait_for_log(message)
    assert not [line for line in kapacitor.log if "lvl=error" in line]


def test_a_text_that_is_not_utf8_in_a_watched_field_costs_its_point_only(start: Callable[..., Kapacitord]) -> None:
    kapacitor = start(group_by=["t"])
    write(
        kapacitor,
        b"m,t=x a=1.5,b=2i 1",
        b'm,t=x a="l\xe4uft",b=2i 2',
        b'm,t=x a=true,b="K\xfcche" 3',
        b'm,t=x a="text",b=2i 4',
        b"m,t=x a=-1e300,b=3i 5",
    )
    kapacitor.wait_for_log("point 5: t=x a=-1e[+]300 b=3")
    points = [line.split("point ")[1].rstrip('"') for line in kapacitor.log if "point " in line and "t=" in line]
    assert points == ["1: t=x a=1.5 b=2", "4: t=x a=text b=2", "5: t=x a=-1e+300 b=3"]
    assert kapacitor.task("p")["executing"]
    assert not [line for line in kapacitor.log if "lvl=error" in line]


def test_tags_that_tell_points_apart_arrive(start: Callable[..., Kapacitord]) -> None:
    kapacitor = start(group_by=["t"])
    write(kapacitor, b"m,t=x,cpu=0 a=1 1", b"m,t=x,cpu=1 a=2 1")
    kapacitor.wait_for_log("point 1: cpu=0 t=x a=1.0")
    kapacitor.wait_for_log("point 1: cpu=1 t=x a=2.0")


def test_awkward_names_arrive(start: Callable[..., Kapacitord]) -> None:
    kapacitor = start(fields=AWKWARD, group_by=[f"tag {name}" for name in AWKWARD])

    def key(name: str) -> str:
        return name.replace(" ", "\\ ")

    tags = ",".join(f"{key(f'tag {name}')}=x" for name in AWKWARD)
    fields = ",".join(f"{key(name)}={number}" for number, name in enumerate(AWKWARD))
    write(kapacitor, f"m,{tags} {fields} 1".encode(), f"m,{tags} {key(AWKWARD[0])}=5 2".encode())
    kapacitor.wait_for_log("has 7 fields of 7 tags")
    kapacitor.wait_for_log("has 1 fields of 7 tags")
    assert not [line for line in kapacitor.log if "lvl=error" in line]


def test_a_tag_that_nobody_groups_by_still_ends_the_task(start: Callable[..., Kapacitord]) -> None:
    """No node of Kapacitor can keep tags away whose names nobody knows; docs/operations.md says what to do."""
    kapacitor = start(group_by=["t"])
    # Kapacitor notices with the point after it.
    write(kapacitor, b"m,t=x,host=K\xfcche a=1 1")
    write(kapacitor, b"m,t=x a=1 2")
    task = kapacitor.wait_for_task("p", lambda task: not task["executing"])
    assert "string field contains invalid UTF-8" in task["error"]
