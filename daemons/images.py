"""The images that `scripts/test-images` builds."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def built_image(component: str) -> str:
    """Return the reference of a component's image, whether it is built or not.

    `images/build.py` knows the components, such as `influxdb`.
    """
    command = [sys.executable, str(_ROOT / "images" / "build.py"), "tag", component]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
