"""The desk at which two people look at the console's pages."""

from pathlib import Path

import pytest

from tests.unit.anomaly.console.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
