"""Results as detection writes them, for pages of the console: printers with faults, a press with windows of a second,
and very many meters.
"""

import json
import math
from collections.abc import Iterator

from anomaly.influxdb.lines import line
from anomaly.models.features import features
from anomaly.models.manifest import (
    CalibrationRecord,
    CountsRecord,
    Manifest,
    PromiseRecord,
    RangeRecord,
    TrainingRecord,
)
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.results import Result

SECOND_NS = 10**9
Fields = dict[str, float | int | str | bool]

PRINTERS = 12
PRINTER, PRESS, METER = normalize(
    [
        {
            "name": "printer",
            "database": "telegraf",
            "measurement": "temperature",
            "fields": [{"name": "nozzle", "unit": "°C"}, {"name": "bed", "unit": "°C"}, {"name": "fan", "unit": "rpm"}],
            "group_by": ["hall", "printer"],
            "window": "10s",
        },
        {
            "name": "press",
            "database": "telegraf",
            "measurement": "press",
            "fields": [{"name": "pressure", "unit": "bar"}],
            "group_by": ["machine"],
            "window": "1s",
        },
        {
            "name": "meter",
            "database": "telegraf",
            "measurement": "meter",
            "fields": [{"name": "power", "unit": "W"}],
            "group_by": ["house"],
            "window": "1m",
        },
    ]
)
PIPELINES: tuple[Pipeline, ...] = (PRINTER, PRESS, METER)


def hall(number: int) -> str:
    """Return where a printer stands."""
    return "north" if number % 2 else "south"


def printer_tags(number: int) -> dict[str, str]:
    """Return the tags of a printer's results."""
    return {"pipeline": "printer", "hall": hall(number), "printer": f"printer-{number:02d}"}


def wave(seed: int, at: float) -> float:
    """Return a number from -1 to 1 that looks like noise."""
    value = math.sin(seed * 127.1 + at * 311.7) * 43_758.5453
    return 2.0 * (value - math.floor(value)) - 1.0


def printer_scores(
    number: int, now_ns: int, hours: float = 6.0, fault_s: tuple[int, int] | None = None
) -> Iterator[str]:
    """Yield the scores of a printer up to now, with a fault of the bed in a time before now, in seconds."""
    window_s = 10
    count = int(hours * 3600 / window_s)
    for step in range(count):
        age_s = (count - step) * window_s
        is_fault = fault_s is not None and fault_s[1] <= age_s <= fault_s[0]
        rise = min((fault_s[0] - age_s) / 120.0, 1.0) * 9.0 if fault_s is not None and is_fault else 0.0
        bed = 60.0 + 0.5 * math.sin(step / 40 + number) + 0.25 * wave(number, step)
        nozzle = 215.0 + 1.2 * math.sin(step / 25 + number) + 0.6 * wave(number + 50, step)
        fan = 4_800.0 + 60.0 * wave(number + 90, step) - 14.0 * rise
        severity = min(100.0, 93.0 + rise) if rise > 3.0 else 18.0 + 14.0 * (1 + wave(number + 7, step)) + 9.0 * rise
        share = 0.9 if is_fault else 0.34
        fields: Fields = {
            "severity": severity,
            "score": severity / 120.0,
            "threshold": 0.78,
            "label": int(rise > 3.0),
            "model": "20260101T000000Z-abc123",
            "value_nozzle": nozzle,
            "expected_low_nozzle": 212.8 + 1.2 * math.sin(step / 25 + number),
            "expected_high_nozzle": 217.2 + 1.2 * math.sin(step / 25 + number),
            "contribution_nozzle": (1.0 - share) / 2,
            "value_bed": bed + rise,
            "expected_low_bed": 59.0 + 0.5 * math.sin(step / 40 + number),
            "expected_high_bed": 61.0 + 0.5 * math.sin(step / 40 + number),
            "contribution_bed": share,
            "value_fan": fan,
            "expected_low_fan": 4_680.0,
            "expected_high_fan": 4_920.0,
            "contribution_fan": (1.0 - share) / 2,
        }
        yield line(Result("score", printer_tags(number), now_ns - age_s * SECOND_NS, fields))


def period(tags: dict[str, str], begin_ns: int, length_s: int, **more: float | int | str | bool) -> str:
    """Return a period."""
    begin_ms = begin_ns // 10**6
    fields: Fields = {
        "begin_ms": begin_ms,
        "end_ms": begin_ms + length_s * 1000,
        "state": "closed",
        "peak_score": 0.9,
        "peak_severity": 99.1,
        "points": length_s // 10,
        "reason": "bed",
        "model": "20260101T000000Z-abc123",
        "text": "",
        **more,
    }
    return line(Result("period", tags, begin_ns, fields))


def press_scores(machine: str, now_ns: int, begin_s: int, end_s: int, every_s: int = 1) -> Iterator[str]:
    """Yield scores of a press between two ages in seconds, with one peak in the middle."""
    peak_s = (begin_s + end_s) // 2
    for age_s in range(begin_s, end_s, -every_s):
        is_peak = abs(age_s - peak_s) < every_s
        severity = 97.0 if is_peak else 20.0 + 10.0 * (1 + wave(3, age_s))
        fields: Fields = {
            "severity": severity,
            "score": severity / 120.0,
            "label": int(is_peak),
            "value_pressure": 8.0 + math.sin(age_s / 9_000) + 0.2 * wave(4, age_s) + (6.0 if is_peak else 0.0),
            "expected_low_pressure": 7.5 + math.sin(age_s / 9_000),
            "expected_high_pressure": 8.5 + math.sin(age_s / 9_000),
            "contribution_pressure": 1.0,
        }
        yield line(Result("score", {"pipeline": "press", "machine": machine}, now_ns - age_s * SECOND_NS, fields))


def meter_scores(count: int, now_ns: int, windows: int = 1) -> Iterator[str]:
    """Yield the newest scores of very many meters."""
    for number in range(count):
        tags = {"pipeline": "meter", "house": f"house-{number:05d}"}
        for step in range(windows):
            severity = 20.0 + 22.0 * (1 + wave(number, step))
            fields: Fields = {"severity": severity, "score": severity / 120.0, "label": 0, "value_power": 400.0}
            yield line(Result("score", tags, now_ns - (step + 1) * 60 * SECOND_NS, fields))


def health(now_ns: int, **checks: str) -> list[str]:
    """Return what the keeper found: a text for each check, empty if all is well."""
    return [
        line(Result("health", {"check": check}, now_ns - 20 * SECOND_NS, {"ok": int(not text), "text": text}))
        for check, text in checks.items()
    ]


def write_version(store: Store, pipeline: Pipeline, version: str, parent: str | None, day: int) -> None:
    """Write a version of which there is a manifest alone, which is all that pages read."""
    begin, end = f"2026-01-{day:02}T00:00:00Z", f"2026-01-{day + 1:02}T00:00:00Z"
    record = TrainingRecord(
        created=end,
        parent=parent,
        window=pipeline.window,
        range=RangeRecord(begin, end, ("24h", "0s")),
        counts=CountsRecord(read=103_720, windows=103_680, left_out=40, series=12, points=1_036_800 + day),
        seed=day,
        calibration=CalibrationRecord(103_680, 0.02, 0.11, 0.78, PromiseRecord(93.0)),
    )
    names = [feature.name for feature in features(pipeline)]
    manifest = Manifest.described(version, pipeline, names, [], record, {})
    folder = store.path / version
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest.to_json()))
