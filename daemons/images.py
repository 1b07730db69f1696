"""The images that `scripts/test-images` builds."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


OLD_INFLUXDB = "1.8.10"
"""The other version of InfluxDB that is supported, and tested beside the default one."""


def built_image(component: str, *options: str) -> str:
    """Return the reference of a component's image, whether it is built or not.

    Args:
        component: one that `images/build.py` knows, such as `influxdb`.
        options: more words of its command line, such as `--influxdb-version`, `OLD_INFLUXDB`.
    """
    command = [sys.executable, str(_ROOT / "images" / "build.py"), "tag", component, *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
