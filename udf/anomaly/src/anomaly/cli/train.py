"""`anomaly train`: models for pipelines, several at the same time.

Threads, as for the folds of one training: numpy and scikit-learn leave the interpreter to others while they compute.
Whatever becomes of one pipeline, the others are trained; each prints a line of its own on stdout when it is done.
"""

import argparse
from collections.abc import Sequence

from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose, read_pipelines
from anomaly.cli.failure import failed
from anomaly.pipeline import Pipeline
from anomaly.training.progress import progress

_MOST_JOBS = 4


def train(options: argparse.Namespace) -> int:
    """Returns the exit code of the first pipeline that failed or was refused, in the order of the specification.

    Raises SpecError, UsageError.
    """
    if not 0 <= options.seed < 2**31:
        raise UsageError(f"--seed: {options.seed} is out of range: 0 to 2147483647")
    for name, number in (("--jobs", options.jobs), ("--at-once", options.at_once)):
        if number is not None and number < 1:
            raise UsageError(f"{name}: {number} is too few: write at least 1")
    pipelines = _chosen(read_pipelines(options.spec), options.pipelines)
    # Only now: reading a specification must not wait for joblib.
    from joblib import Parallel, cpu_count, delayed

    # cpu_count knows a container's limits. Each thread needs memory, too.
    jobs = options.jobs or min(int(cpu_count()), _MOST_JOBS)
    at_once = min(options.at_once, jobs, len(pipelines))

    def trained(pipeline: Pipeline) -> int:
        from anomaly.cli.train_one import train_one

        told = progress(one_of_several=pipeline.name if len(pipelines) > 1 else "")
        try:
            return train_one(pipeline, options, jobs // at_once, told)
        except BrokenPipeError:
            raise
        except Exception as error:
            return failed(error, pipeline.name, told.say)

    ends = Parallel(n_jobs=at_once, prefer="threads")(delayed(trained)(pipeline) for pipeline in pipelines)
    return next((code for code in ends if code != codes.DONE), codes.DONE)


def _chosen(pipelines: list[Pipeline], names: Sequence[str] | None) -> list[Pipeline]:
    """The pipelines of those names, in the order of the specification; without names all that are enabled.

    Raises UsageError.
    """
    if names:
        named = {choose(pipelines, name).name for name in names}
        return [pipeline for pipeline in pipelines if pipeline.name in named]
    enabled = [pipeline for pipeline in pipelines if pipeline.enabled]
    if not enabled:
        there = ", ".join(pipeline.name for pipeline in pipelines) or "none"
        raise UsageError(f"no pipeline of the specification is enabled (there is {there}): name one with --pipeline")
    return enabled
