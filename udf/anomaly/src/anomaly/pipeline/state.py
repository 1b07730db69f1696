"""How much memory the state of a pipeline's series needs: estimates for people, and for the limits of containers.

What a detector's followers take exactly, they say themselves (`bytes_per_series`), where there is a model and numpy.
This is known before, on the controller too. A test compares the two.
"""

from anomaly.pipeline.size import format_size
from anomaly.pipeline.specification import Pipeline

# What the followers of a detector keep of a series: bytes, and bytes for each feature, rounded up. An unknown detector
# counts as the default one.
FOLLOWERS = {
    "ensemble": (3_072, 12_288),
    "isolation_forest": (3_072, 512),
    "gap": (0, 2_048),
    "slow_gap": (0, 7_168),
    "seasonal": (0, 4_096),
    "robust_z": (0, 0),
    "knn": (0, 0),
    "half_space_trees": (27_648, 0),
}
# Detectors that look at the season keep this much more of each feature for a part of a season beyond those of a day.
_PART_BYTES = 16
_DAY_PARTS, _MOST_PARTS = 24, 168
_HOUR_NS = 3_600_000_000_000
# Open windows, periods, drift and the names of a series: bytes, and bytes for each feature.
_SERIES = (4_096, 1_024)
# A UDF's process without the state of its series: Python, numpy and a model.
PROCESS_BYTES = 128 * 2**20


def series_bytes(pipeline: Pipeline) -> int:
    """Return about how many bytes the state of one series takes.

    Args:
        pipeline: the pipeline.
    """
    features = len(pipeline.fields) * len(pipeline.aggregate)
    series, each = FOLLOWERS.get(pipeline.detector, FOLLOWERS["ensemble"])
    parts = min(max(pipeline.season_ns // _HOUR_NS, _DAY_PARTS), _MOST_PARTS)
    return _SERIES[0] + series + (_SERIES[1] + each + _PART_BYTES * (parts - _DAY_PARTS)) * features


def most_series(pipeline: Pipeline) -> int:
    """Return about how many series fit into a pipeline's `memory`."""
    return pipeline.memory_bytes // series_bytes(pipeline)


def described(pipeline: Pipeline, series: int) -> str:
    """Return a sentence about what the state of this many series needs, with a warning where `memory` is too small.

    Args:
        pipeline: the pipeline.
        series: their number.
    """
    needed = series * series_bytes(pipeline)
    need = f"the state of {series:,} series needs about {mebibytes(needed)} of the pipeline's memory, {pipeline.memory}"
    if needed <= pipeline.memory_bytes:
        return need
    enough = format_size(-(-needed * 5 // 4 // 2**20) * 2**20)
    return (
        f"warning: {need}: the UDF will forget those that have been quiet longest: write such as memory: {enough}, or "
        "split the pipeline"
    )


def mebibytes(size: int) -> str:
    """Return a size for people, rounded up to MiB.

    Args:
        size: bytes.
    """
    return f"{-(-size // 2**20):,} MiB"


def process_bytes(pipeline: Pipeline) -> int:
    """Return the most memory that the UDF's process of a pipeline should need."""
    return PROCESS_BYTES + pipeline.memory_bytes
