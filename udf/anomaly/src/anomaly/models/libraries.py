"""The versions that a model's manifest notes.

None of them decides a score: serving reads arrays and computes with our own code, whose changes raise
`anomaly.models.manifest.SCHEMA`. They say what a training would have to be repeated with, and what can open
`model.joblib`.
"""

import platform
from importlib.metadata import version

from anomaly import __version__

_DISTRIBUTIONS = ("joblib", "numpy", "scikit-learn")


def installed() -> dict[str, str]:
    """By name, of what is running. Raises importlib.metadata.PackageNotFoundError where one is not installed."""
    return {"anomaly": __version__, "python": platform.python_version(), **{n: version(n) for n in _DISTRIBUTIONS}}
