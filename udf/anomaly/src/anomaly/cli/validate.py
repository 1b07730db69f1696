"""`anomaly validate`: checks a specification, without any service."""

import argparse

from anomaly.cli import codes
from anomaly.cli.common import read_pipelines, result


def validate(options: argparse.Namespace) -> int:
    """Check the pipelines of a file, and print their names.

    Returns:
        The exit code.

    Raises:
        SpecError: the specification is not valid.
        UsageError: the file cannot be read.
    """
    result({"status": "valid", "pipelines": [pipeline.name for pipeline in read_pipelines(options.file)]})
    return codes.DONE
