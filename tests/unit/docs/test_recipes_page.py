"""docs/recipes.md: each recipe is trained on line protocol of its source's shape, and finds a fault in it.

The lines are made here. They are read as InfluxDB would return their points, and all that follows is the code that
trains and backtests.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from anomaly.backtest.labels import Label, Truth
from anomaly.backtest.replay import BacktestReplay
from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.influxdb.point_source import read_point_windows
from anomaly.influxdb.source import read_series_windows
from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.resolve import resolve
from anomaly.pipeline.source_keys import SourceKeys, booleans, source_problems
from anomaly.scoring.events import EventCounter
from anomaly.training.counters import counter_warnings
from anomaly.training.fit import train
from anomaly.training.sample import Sample
from anomaly.windows.series import SeriesWindows
from ingest.csvreplay import CsvLayout, CsvReplay
from ingest.points import to_lines

PAGE = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text(encoding="utf-8")
RECIPES = {
    section.partition("\n")[0]: yaml.safe_load(re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[0])[0]
    for section in PAGE.split("\n## ")[1:]
}

SECOND_NS = 1_000_000_000
BEGIN_S = 1_700_006_400
HISTORY_S, SCORED_S = 12 * 3_600, 4 * 3_600
END_S = BEGIN_S + HISTORY_S + SCORED_S
FAULT_S = range(BEGIN_S + HISTORY_S + 7_200, BEGIN_S + HISTORY_S + 9_000)
STEP_S = 20
MOST_OVERRUN_WINDOWS = 3
TYPES = {"i": "integer", '"': "string"}
BOOLEANS = {"true": True, "false": False}

Fields = dict[str, float | str | bool]
Lines = Iterator[str]


class Counter:
    """A counter of a machine, which never falls."""

    def __init__(self) -> None:
        self.value = 1_000_000.0

    def __call__(self, rate: float, step_s: int = STEP_S) -> str:
        self.value += max(rate, 0.0) * step_s
        return f"{int(self.value)}i"


def moments(step_s: int = STEP_S) -> Iterator[tuple[int, bool, float]]:
    """Yield the time of each sample in seconds, whether the fault lasts, and how much of it is over."""
    for time_s in range(BEGIN_S, END_S, step_s):
        yield time_s, time_s in FAULT_S, (time_s - FAULT_S.start) / len(FAULT_S)


def cpu(rng: random.Random) -> Lines:
    for time_s, is_broken, _ in moments():
        for host in ("db1", "web1"):
            user = 93.0 if is_broken and host == "web1" else 22.0
            for core in ("cpu-total", "cpu0"):
                values = (rng.gauss(user, 2), rng.gauss(4, 0.5), abs(rng.gauss(0.3, 0.1)))
                yield (
                    f"cpu,cpu={core},host={host} usage_user={values[0]:.2f},usage_system={values[1]:.2f},"
                    f"usage_iowait={values[2]:.2f},usage_idle={100 - sum(values):.2f} {time_s}"
                )


def mem(rng: random.Random) -> Lines:
    for time_s, is_broken, share in moments():
        for host in ("db1", "web1"):
            used = 41.0 + (40 * share if is_broken and host == "web1" else 0.0) + rng.gauss(0, 0.4)
            yield f"mem,host={host} total=16000000000i,used_percent={used:.3f},free=4000000000i {time_s}"


def diskio(rng: random.Random) -> Lines:
    for name in ("nvme0n1", "sda", "sda1"):
        reads, writes, read, written, reading, writing = (Counter() for _ in range(6))
        for time_s, is_broken, _ in moments():
            count, wait = abs(rng.gauss(80, 8)), rng.gauss(40.0 if is_broken and name == "sda" else 1.5, 0.1)
            yield (
                f"diskio,host=web1,name={name} reads={reads(count)},writes={writes(2 * count)},"
                f"read_bytes={read(16_384 * count)},write_bytes={written(32_768 * count)},"
                f"read_time={reading(count * wait)},write_time={writing(2 * count * wait)},iops_in_progress=0i {time_s}"
            )


def net(rng: random.Random) -> Lines:
    for interface in ("eth0", "eth1", "lo"):
        received, sent, errors, dropped = (Counter() for _ in range(4))
        for time_s, is_broken, _ in moments():
            share = 0.02 if is_broken and interface == "eth0" else 1.0
            rate, answers = share * rng.gauss(250_000, 15_000), share * rng.gauss(50_000, 3_000)
            yield (
                f"net,host=web1,interface={interface} bytes_recv={received(rate)},bytes_sent={sent(answers)},"
                f"err_in={errors(0)},drop_in={dropped(rng.random() / 200)} {time_s}"
            )


def docker(rng: random.Random) -> Lines:
    for time_s, is_broken, share in moments():
        for name in ("shop", "queue"):
            used = rng.gauss(18, 0.3) + (50 * share if is_broken and name == "shop" else 0.0)
            tags = f"container_image={name},container_name={name},container_status=running,engine_host=web1,host=web1"
            yield f'docker_container_mem,{tags} usage_percent={used:.3f},usage=1000000i,container_id="abc" {time_s}'
            yield f"docker_container_cpu,{tags},cpu=cpu-total usage_percent={rng.gauss(5, 1):.3f} {time_s}"


def nginx(rng: random.Random) -> Lines:
    for host in ("web1", "web2"):
        accepted, requests = Counter(), Counter()
        for time_s, is_broken, _ in moments():
            hangs = is_broken and host == "web1"
            rate = rng.gauss(120, 6) * (0.1 if hangs else 1.0)
            active = rng.gauss(400 if hangs else 40, 4)
            yield (
                f"nginx,host={host},port=80,server=localhost accepts={accepted(rate / 4)},active={active:.0f}i,"
                f"requests={requests(rate)},waiting={abs(rng.gauss(20, 3)):.0f}i {time_s}"
            )


def mqtt_consumer(rng: random.Random) -> Lines:
    for room in ("cellar", "kitchen"):
        last = 0.0
        for time_s, is_broken, share in moments():
            level = -18.0 + (12 * share if is_broken and room == "cellar" else 0.0)
            value = round(level + rng.gauss(0, 0.15), 1)
            # A sensor that sends what has changed, and now and then the code of one that is not connected.
            if value != last:
                yield f"mqtt_consumer,host=hub,topic=house/{room}/freezer/temperature value={value} {time_s}"
            if rng.random() < 0.002:
                yield f"mqtt_consumer,host=hub,topic=house/{room}/freezer/temperature value=-127 {time_s + 1}"
            last = value
        yield from (f"mqtt_consumer,host=hub,topic=house/{room}/power value=1 {time_s}" for time_s, _, _ in moments())


def snmp(rng: random.Random) -> Lines:
    for port in ("Gi0/1", "Gi0/2"):
        received, sent = Counter(), Counter()
        for time_s, is_broken, _ in moments(30):
            rate = rng.gauss(2e6, 1e5) * (6.0 if is_broken and port == "Gi0/1" else 1.0)
            yield (
                f"interface,agent_host=192.0.2.1,host=hub,ifName={port} ifHCInOctets={received(rate, 30)},"
                f"ifHCOutOctets={sent(abs(rng.gauss(3e5, 2e4)), 30)},ifHighSpeed=1000i {time_s}"
            )


def home_assistant(rng: random.Random) -> Lines:
    for unit, name, usual in (
        ("°C", "fridge_temperature", 5.0),
        ("°C", "hall_temperature", 20.5),
        ("%", "hall_humidity", 45.0),
        ("lx", "hall_brightness", 300.0),
    ):
        last = 0.0
        for time_s, is_broken, share in moments(60):
            level = usual + (9 * share if is_broken and name.startswith("fridge") else 0.0)
            value = round(level + rng.gauss(0, 0.1), 1)
            if value != last:
                yield (
                    f'{unit},domain=sensor,entity_id={name} value={value},friendly_name_str="{name} of mine",'
                    f'device_class_str="{name.partition("_")[2]}" {time_s}'
                )
            last = value
    yield from (f'state,domain=sun,entity_id=sun state="above_horizon" {time_s}' for time_s, _, _ in moments(600))


def disk(rng: random.Random) -> Lines:
    total = 500_000_000_000
    for host, path in (("web1", "/"), ("web1", "/var"), ("db1", "/")):
        used = 0.6 * total
        for time_s, is_broken, _ in moments():
            # It grows by 0.8 % of the volume a day, and logs are rotated each three hours.
            used += max(rng.gauss(0.008 * total / 86_400 * STEP_S, 200_000), 0.0)
            if is_broken and path == "/var":
                used += 4_000_000 * STEP_S
            if time_s % 10_800 == 0:
                used -= 250_000_000
            yield (
                f"disk,device=sda1,fstype=ext4,host={host},mode=rw,path={path} free={total - used:.0f}i,"
                f"total={total}i,used={used:.0f}i,used_percent={100 * used / total:.4f},inodes_free=9i {time_s}"
            )


def klipper(rng: random.Random) -> Lines:
    for name in ("voron", "ender"):
        url = f"http://{name}/printer/objects/query?extruder&heater_bed"
        degrees, print_s, rest_s, phase_s = 25.0, rng.randrange(3_600, 7_200), 1_800, 0
        for time_s, is_broken, _ in moments():
            is_on = phase_s < print_s
            target = 215.0 if is_on else 0.0
            # A heater reaches its target at 2 degrees a second, and cools down as the room lets it.
            reached = min(degrees + 2.0 * STEP_S, target) if is_on else 25 + (degrees - 25) * 0.93
            degrees = reached
            holds = is_on and reached == target
            sags = 8.0 * abs(rng.gauss(1, 0.3)) if is_broken and name == "voron" and holds else 0.0
            power = 1.0 if is_on and not holds else (0.42 + 0.02 * sags if holds else 0.0)
            shown = degrees - sags + rng.gauss(0, 0.15)
            yield (
                f"klipper,host=hub,url={url} extruder_temperature={shown:.2f},extruder_target={target},"
                f"extruder_power={min(power + abs(rng.gauss(0, 0.01)), 1.0) if is_on else 0.0:.3f},"
                f"heater_bed_temperature={60 + rng.gauss(0, 0.1) if is_on else 25:.2f} {time_s}"
            )
            phase_s += STEP_S
            if phase_s >= print_s + rest_s:
                print_s, phase_s = rng.randrange(3_600, 7_200), 0


def csv(rng: random.Random) -> Lines:
    rows = ["time,room,co2,humidity"]
    for time_s, is_broken, _ in moments():
        for room in ("kitchen", "office"):
            co2 = rng.gauss(450 if is_broken and room == "office" else 700, 15)
            rows.append(f"{time_s},{room},{co2:.1f},{rng.gauss(45, 1):.2f}")
    layout = CsvLayout("time", "auto", UTC, ("room",), (), ())
    yield from to_lines(CsvReplay(rows, "rooms.csv", layout).points(), "air", "s")


@dataclass(frozen=True)
class Source:
    """A source of a recipe.

    Attributes:
        lines: makes its line protocol, with times in seconds.
        broken: tags of the series whose fault begins at `FAULT_S`.
        reason: how the reason of the fault's period begins.
    """

    lines: Callable[[random.Random], Lines]
    broken: Mapping[str, str]
    reason: str


SOURCES = {
    "cpu": Source(cpu, {"host": "web1"}, "usage_user"),
    "mem": Source(mem, {"host": "web1"}, "used_percent"),
    "disk": Source(disk, {"host": "web1", "path": "/var"}, "used"),
    "diskio": Source(diskio, {"host": "web1", "name": "sda"}, "wait"),
    "net": Source(net, {"interface": "eth0"}, "bytes_"),
    "docker": Source(docker, {"container_name": "shop"}, "usage_percent"),
    "nginx": Source(nginx, {"host": "web1"}, ""),
    "mqtt_consumer": Source(mqtt_consumer, {"topic": "house/cellar/freezer/temperature"}, "value"),
    "snmp": Source(snmp, {"ifName": "Gi0/1"}, "ifHCInOctets"),
    "Home Assistant": Source(home_assistant, {"entity_id": "fridge_temperature"}, "value"),
    "OctoPrint and Klipper": Source(
        klipper, {"url": "http://voron/printer/objects/query?extruder&heater_bed"}, "extruder"
    ),
    "CSV": Source(csv, {"room": "office"}, "co2"),
}


class Database:
    """Returns the points of line protocol as InfluxDB does: those that a pipeline watches, by all tags.

    Attributes:
        keys: the names of the source.
        pipeline: the pipeline, with its patterns resolved.
    """

    def __init__(self, pipeline: Pipeline, lines: Iterable[str]) -> None:
        self._where = pipeline.where
        self._points: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[int, Fields]]] = {}
        self._measurements: dict[str, tuple[dict[str, set[str]], set[str]]] = {}
        for line in lines:
            head, fields, time_s = cast(re.Match[str], re.fullmatch(r"(\S+) (.+) (\d+)", line)).groups()
            measurement, *tags = head.split(",")
            named = tuple(sorted(cast(tuple[str, str], tuple(tag.split("=", 1))) for tag in tags))
            texts = dict(re.findall(r'(\w+)=("[^"]*"|[^,]+)', fields))
            self._take(measurement, named, texts, int(time_s) * SECOND_NS)
        measurements = {name: SourceKeys(types, tags) for name, (types, tags) in self._measurements.items()}
        self.keys = SourceKeys(measurements=measurements)
        if not pipeline.is_by_measurement:
            self.keys = measurements[pipeline.measurement]
        self.pipeline = resolve(pipeline, self.keys)
        self.pipeline = replace(self.pipeline, booleans=booleans(self.pipeline, self.keys))

    def _take(
        self, measurement: str, tags: tuple[tuple[str, str], ...], fields: Mapping[str, str], time_ns: int
    ) -> None:
        types, names = self._measurements.setdefault(measurement, ({}, set()))
        names.update(name for name, _ in tags)
        for name, value in fields.items():
            types.setdefault(name, set()).add("boolean" if value in BOOLEANS else TYPES.get(value[-1], "float"))
        numbers: Fields = {
            name: BOOLEANS[value] if value in BOOLEANS else float(value.removesuffix("i"))
            for name, value in fields.items()
            if value[-1] != '"'
        }
        if self._where.holds(dict(tags)):
            self._points.setdefault((measurement, tags), []).append((time_ns, numbers))

    def query(self, query: str, database: str) -> Iterator[SeriesChunk]:
        begin_ns, end_ns = map(int, re.findall(r"time >= (\d+) AND time < (\d+)", query)[0])
        names = self.pipeline.sources
        for (measurement, tags), points in self._points.items():
            if measurement not in (self.pipeline.measurements or (self.pipeline.measurement,)):
                continue
            rows: list[list[Any]] = [
                [time_ns, *(fields.get(name) for name in names)]
                for time_ns, fields in sorted(points, key=lambda point: point[0])
                if begin_ns <= time_ns < end_ns
            ]
            if rows:
                yield SeriesChunk(measurement, dict(tags), ["time", *names], rows)

    def windows(self, begin_s: int, end_s: int) -> Iterator[SeriesWindows]:
        """Yield the windows of a range; the aggregates of points are those that InfluxQL makes of them."""
        read = read_series_windows if self.pipeline.needs_points else read_point_windows
        return read(cast(InfluxClient, self), self.pipeline, begin_s * SECOND_NS, end_s * SECOND_NS)


def test_each_recipe_has_a_source() -> None:
    assert list(RECIPES) == list(SOURCES)
    assert len({recipe["name"] for recipe in RECIPES.values()}) == len(RECIPES)


@pytest.mark.parametrize("title", SOURCES)
def test_a_recipe_finds_the_fault_of_its_source_and_nothing_else(title: str) -> None:
    source = SOURCES[title]
    # A forest of the default's size takes four times as long.
    (recipe,) = normalize([RECIPES[title] | {"parameters": {"trees": 25}}])
    database = Database(recipe, source.lines(random.Random(title)))  # noqa: S311
    pipeline = database.pipeline
    sample = Sample(BEGIN_S * SECOND_NS, END_S * SECOND_NS, pipeline.window_ns, 2**27)
    label = Label(FAULT_S.start * SECOND_NS, FAULT_S.stop * SECOND_NS, source.broken)

    for windows in database.windows(BEGIN_S, BEGIN_S + HISTORY_S):
        sample.add(windows)
    history = sample.windows()
    model = train(pipeline, history, "recipe", seed=0).model
    replay = BacktestReplay(pipeline, model, EventCounter("", lambda message: None), sweep=())
    for windows in database.windows(BEGIN_S + HISTORY_S, END_S):
        replay.feed(windows)
    evaluation = replay.evaluations(Truth((label,)))[pipeline.periods.open]

    assert list(source_problems(pipeline, database.keys)) == []
    assert list(counter_warnings(pipeline, history)) == []
    (outcome,) = evaluation.outcomes
    assert [found.period.reason for found in outcome.found if not found.period.reason.startswith(source.reason)] == []
    assert outcome.found
    assert outcome.overrun_ns is not None
    assert outcome.overrun_ns <= MOST_OVERRUN_WINDOWS * pipeline.window_ns
    assert evaluation.false == ()
    assert evaluation.silent == ()
