"""The images that `scripts/test-images` builds."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def built_image(component: str) -> str:
    """Reference of the image of a component that `images/build.py` knows, such as `influxdb`, whether it is there or
    not."""
    command = [sys.executable, str(_ROOT / "images" / "build.py"), "tag", component]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
