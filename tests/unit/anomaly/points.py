"""Points that are hard to aggregate: edges, duplicates, merged series, integers, gaps, text, and awkward names.

Used by the tests, and by `make_influxql_answers` to ask a real InfluxDB what it makes of them.
"""

import random
from dataclasses import dataclass
from typing import Any

from anomaly.pipeline import Pipeline, normalize

WINDOW_NS = 10_000_000_000
BEGIN_NS = 1_700_000_000_000_000_000

SIMPLE = normalize(
    [
        {
            "name": "p",
            "database": "d",
            "retention_policy": "rp",
            "measurement": "m",
            "fields": ["a", "b"],
            "group_by": ["t", "u"],
            "window": "90s",
            "aggregate": ["mean", "max"],
        }
    ]
)[0]
PIPELINE: Pipeline = normalize(
    [
        {
            "name": "awkward",
            "database": 'it\'s "odd" ünï',
            "measurement": "температура, a=b",
            "fields": ["hot end", 'say "hi"', "count,er=1", "text", "it's"],
            "group_by": ["prin ter", "rôle"],
            "window": "10s",
            "aggregate": ["mean", "stddev", "min", "max", "median", "spread", "count", "first", "last", "sum"],
        }
    ]
)[0]


@dataclass(frozen=True)
class Written:
    """One point as written to InfluxDB: all tags, also those that the pipeline does not group by."""

    time: int
    tags: dict[str, str]
    fields: dict[str, Any]


def points() -> list[Written]:
    """In the order of writing: of two with the same time and tags, the later one counts."""
    rng = random.Random(20240101)  # noqa: S311
    written = []
    for printer, role in (("a b", "x"), ("Ж,=", "it's"), ("c", "")):
        tags = {"prin ter": printer, **({"rôle": role} if role else {})}
        for step in range(60):
            # A gap of one whole window, and one point only in the next.
            if printer == "c" and 20 <= step < 38:
                continue
            time = BEGIN_NS + step * 1_000_000_000 + rng.choice([0, 0, 1, 999_999_999])
            fields: dict[str, Any] = {"hot end": rng.gauss(220, 0.6), "count,er=1": rng.randrange(-(10**9), 10**12)}
            if step % 3 == 0:
                fields['say "hi"'] = rng.gauss(0, 1e-9) + 1e6
            if step % 25 == 0:
                fields["it's"] = rng.random()
            if step % 2:
                fields["text"] = "not a number"
            written.append(Written(time, tags, fields))
            if step % 4 == 0:
                # A point of equal time in another series that the grouping merges with this one.
                written.append(Written(time, {**tags, "sensor": "2"}, {"hot end": rng.gauss(220, 0.6)}))
            if step % 7 == 0:
                # Written again: replaces the field's value, and leaves the others.
                written.append(Written(time, tags, {"hot end": 219.5 + step / 10}))
        # On the edges: the first belongs to a window, the second to the next.
        edge = BEGIN_NS + 3 * WINDOW_NS
        written.append(Written(edge, tags, {"hot end": 221.25}))
        written.append(Written(edge - 1, tags, {"hot end": 218.75}))
    return written
