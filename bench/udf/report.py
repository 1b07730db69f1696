"""From samples to the numbers of build/bench.json, and to tables.

A number is the median over the turns. A ratio is the median of the ratios within each turn: what slows down the machine
slows down both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.udf.measure import GROUPS, Samples
from bench.udf.rows import NAMES

REFERENCE = "go_echo"
STOCK = "stock_echo"
OURS = ("echo", "forest", "arrays")
_FEW, _MANY = 100, 10_000
ByRow = Mapping[str, Samples]


@dataclass(frozen=True)
class Target:
    """What was to be reached: `value` at least (`>=`) or at most (`<=`) `limit`."""

    what: str
    value: float
    relation: str
    limit: float

    @property
    def reached(self) -> bool:
        """Whether it was."""
        return self.value >= self.limit if self.relation == ">=" else self.value <= self.limit


def report(samples: ByRow, forest: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """What build/bench.json holds. `forest`: what programs/forest_cost.py printed. `about`: machine and versions."""
    rows = {name: _row(samples[name]) for name in NAMES if name in samples}
    return {
        "rows": rows,
        "forest_us_per_point": forest["score"],
        "forest": dict(forest),
        "ratios": ratios(samples),
        "processor_us": {name: _processor_us(samples[name]) for name in rows},
        "kb_per_group": {name: kb_per_group(samples[name]) for name in rows if samples[name].rss_mb},
        "alone": {name: _alone(samples, name) for name in rows if samples[name].alone_us},
        "behind": [name for name in rows if samples[name].behind],
        "targets": [{**asdict(target), "reached": target.reached} for target in targets(samples, forest)],
        **about,
        "samples": {name: asdict(samples[name]) for name in rows},
    }


def _row(samples: Samples) -> dict[str, Any]:
    return {
        "points_per_s": {str(groups): median(samples.points_per_s[groups]) for groups in GROUPS},
        "p50_ms": median(samples.p50_ms),
        "p99_ms": median(samples.p99_ms),
        "rss_mb": samples.rss_mb.get(_MANY),
        "info_s": median(samples.info_s) if samples.info_s else None,
        "first_score_s": median(samples.first_score_s),
    }


def _processor_us(samples: Samples) -> dict[str, float]:
    return {"kapacitord": median(samples.kapacitor_us), "udf": median(samples.udf_us)}


def _alone(samples: ByRow, name: str) -> dict[str, float | None]:
    row, stock = samples[name], samples.get(STOCK)
    return {
        "points_per_s": median(row.alone_points_per_s),
        "by_stock": _ratio(row.alone_points_per_s, stock.alone_points_per_s) if stock else None,
        "udf_us": median(row.alone_us),
    }


def kb_per_group(samples: Samples) -> float:
    """What each group more costs the UDF's process, in 10**3 bytes."""
    return (samples.rss_mb[_MANY] - samples.rss_mb[_FEW]) * 1000 / (_MANY - _FEW)


def ratios(samples: ByRow) -> dict[str, dict[str, float]]:
    """Points a second of each row by those of the Go agent's echo, by number of groups; empty without that row."""
    if REFERENCE not in samples:
        return {}
    reference = samples[REFERENCE].points_per_s
    return {
        name: {str(groups): _ratio(samples[name].points_per_s[groups], reference[groups]) for groups in GROUPS}
        for name in samples
    }


def _ratio(first: Sequence[float], second: Sequence[float]) -> float:
    return median(one / other for one, other in zip(first, second, strict=True))


def targets(samples: ByRow, forest: Mapping[str, Any]) -> list[Target]:
    """What was to be reached, as far as the measured rows tell."""
    found = []
    by_reference = ratios(samples)
    for name, limit in (("forest", 1.0), ("echo", 1.1), ("arrays", 1.5)):
        if name in by_reference:
            ratio = by_reference[name][str(_FEW)]
            found.append(Target(f"{name}: points/s by the Go agent's echo", ratio, ">=", limit))
    if "objects" in samples and STOCK in samples:
        ratio = _ratio(samples["objects"].alone_points_per_s, samples[STOCK].alone_points_per_s)
        found.append(Target("objects: points/s by the Python agent's echo, alone", ratio, ">=", 1.0))
    for name in OURS:
        if name not in samples:
            continue
        row, rates = _row(samples[name]), samples[name].points_per_s
        many_by_few = _ratio(rates[_MANY], rates[_FEW])
        found += [
            Target(f"{name}: points/s with 10,000 groups by those with 100", many_by_few, ">=", 0.8),
            Target(f"{name}: KB for each group", kb_per_group(samples[name]), "<=", 4.0),
            Target(f"{name}: p99, ms", row["p99_ms"], "<=", 10.0),
            Target(f"{name}: resident memory, MB", row["rss_mb"], "<=", 80.0),
            Target(f"{name}: Info, s", row["info_s"], "<=", 0.2),
            Target(f"{name}: first score, s", row["first_score_s"], "<=", 1.0),
        ]
    for batch, limit in (("1", 200.0), ("256", 3.0), ("4096", 3.0)):
        found.append(Target(f"the forest alone, {batch} at once: us a point", forest["score"][batch], "<=", limit))
    found.append(Target("the forest alone: difference to scikit-learn", forest["difference"], "<=", 1e-9))
    return found


def print_report(console: Console, found: Mapping[str, Any], titles: Mapping[str, str]) -> None:
    """Throughput, the other columns, the forest's own cost and the targets, as tables."""
    tables = [_throughput(found, titles), _others(found)]
    if found["alone"]:
        tables.append(_alone_table(found["alone"]))
    for table in [*tables, _forest_table(found["forest"]), _targets(found["targets"])]:
        console.print(table)
        console.print()


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    return table


def _throughput(found: Mapping[str, Any], titles: Mapping[str, str]) -> Table:
    numbers = [f"{groups:,} groups" if groups > 1 else "1 group" for groups in GROUPS]
    table = _table("points/s", "", *numbers, *(f"x {REFERENCE}" for _ in numbers))
    for name, row in found["rows"].items():
        by_reference = found["ratios"].get(name, {})
        table.add_row(
            name,
            Text(titles[name], "dim"),
            *(f"{rate:,.0f}" for rate in row["points_per_s"].values()),
            *(f"{ratio:.2g}" if ratio < 0.1 else f"{ratio:.2f}" for ratio in by_reference.values()),
        )
    table.columns[1].justify = "left"
    return table


def _others(found: Mapping[str, Any]) -> Table:
    table = _table(
        "at 1,000 points/s",
        *("p50, ms", "p99, ms", "resident, MB", "KB/group", "Info, s", "first score, s"),
        *("us/point: Kapacitor", "UDF"),
    )
    for name, row in found["rows"].items():
        behind = ">" if name in found["behind"] else ""
        table.add_row(
            name,
            f"{behind}{row['p50_ms']:,.1f}",
            f"{behind}{row['p99_ms']:,.1f}",
            _number(row["rss_mb"], ".0f"),
            _number(found["kb_per_group"].get(name), ".1f"),
            _number(row["info_s"], ".2f"),
            _number(row["first_score_s"], ".2f"),
            _number(found["processor_us"][name]["kapacitord"], ".1f"),
            _number(found["processor_us"][name]["udf"] or None, ".1f"),
        )
    return table


def _alone_table(alone: Mapping[str, Mapping[str, float]]) -> Table:
    table = _table("alone, through a pipe", "points/s", f"x {STOCK}", "us/point")
    for name, row in alone.items():
        table.add_row(name, f"{row['points_per_s']:,.0f}", _number(row["by_stock"], ".2f"), f"{row['udf_us']:.1f}")
    return table


def _forest_table(forest: Mapping[str, Any]) -> Table:
    titles = {
        "score": "ours, with the distance outside of the boxes",
        "paper": "ours, as score_samples",
        "score_samples": "scikit-learn's score_samples",
    }
    batches = list(forest["score"])
    table = _table("the forest alone, us a point", *(f"{int(batch):,} at once" for batch in batches))
    for key, title in titles.items():
        table.add_row(title, *(f"{forest[key][batch]:,.2f}" for batch in batches))
    return table


def _targets(targets: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("to reach", "limit", "measured", "")
    for target in targets:
        verdict = Text("reached", "green") if target["reached"] else Text("missed", "bold red")
        table.add_row(target["what"], f"{target['relation']} {target['limit']:g}", f"{target['value']:.3g}", verdict)
    return table


def _number(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"
