"""How much memory the state of a pipeline's series needs: estimates for people, and for the limits of containers.

What a detector's followers take exactly, they say themselves (`bytes_per_series`), where there is a model and numpy.
The estimates of its description are known before that, on the controller too. A test compares the two.
"""

from anomaly.pipeline.detectors import descriptions
from anomaly.pipeline.season import LEAST_PARTS, season_parts
from anomaly.pipeline.size import format_size
from anomaly.pipeline.specification import Pipeline

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
    detector = descriptions()[pipeline.detector]
    more_parts = sum(map(season_parts, pipeline.seasons_ns)) - LEAST_PARTS if detector.seasonal else 0
    each = _SERIES[1] + detector.feature_bytes + detector.part_bytes * more_parts
    return _SERIES[0] + detector.series_bytes + each * features


def most_series(pipeline: Pipeline) -> int:
    """Return about how many series fit into a pipeline's `memory`."""
    return pipeline.memory_bytes // series_bytes(pipeline)


def fits(pipeline: Pipeline, series: int) -> bool:
    """Return whether a pipeline's `memory` holds the state of this many series."""
    return series * series_bytes(pipeline) <= pipeline.memory_bytes


def described(pipeline: Pipeline, series: int) -> str:
    """Return a sentence about what the state of this many series needs, and what follows where `memory` is too small.

    Args:
        pipeline: the pipeline.
        series: their number.
    """
    needed = series * series_bytes(pipeline)
    need = f"the state of {series:,} series needs about {mebibytes(needed)} of the pipeline's memory, {pipeline.memory}"
    if fits(pipeline, series):
        return need
    enough = format_size(-(-needed * 5 // 4 // 2**20) * 2**20)
    return (
        f"{need}: the UDF will forget those that have been quiet longest: write such as memory: {enough}, or "
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
