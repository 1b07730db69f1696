"""`anomaly keeper-health`: the health check of the keeper's container."""

import argparse
from pathlib import Path

from anomaly.cli import codes
from anomaly.cli.common import say
from anomaly.keeper.heartbeat import unhealthy


def keeper_health(options: argparse.Namespace) -> int:
    """Print why the keeper is not healthy, for the health check of its container.

    Returns:
        0 if it is, else 1.
    """
    reason = unhealthy(Path(options.heartbeat), options.patience)
    say(reason or "the keeper looks, and detection is up")
    return 1 if reason else codes.DONE
