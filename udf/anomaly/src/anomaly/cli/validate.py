"""`anomaly validate`."""

import argparse

from anomaly.cli import codes
from anomaly.cli.common import read_pipelines, result


def validate(options: argparse.Namespace) -> int:
    """Checks pipelines; problems are raised as SpecError."""
    result({"status": "valid", "pipelines": [pipeline.name for pipeline in read_pipelines(options.file)]})
    return codes.DONE
