"""A specification that changes while a command runs."""

import json
import os
from pathlib import Path

import pytest

from anomaly.cli.specification import FollowedSpecification
from tests.unit.anomaly.printers import PIPELINE


def test_a_specification_is_read_again_when_it_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "pipelines.json"
    spec.write_text(json.dumps([PIPELINE.as_dict()]))
    followed = FollowedSpecification(str(spec), "the console")
    first = [pipeline.name for pipeline in followed()]

    spec.write_text("[]x")
    os.utime(spec, ns=(0, 1))
    damaged = [pipeline.name for pipeline in followed()]
    spec.write_text(json.dumps([{**PIPELINE.as_dict(), "name": "other"}]))
    os.utime(spec, ns=(0, 2))

    assert (first, damaged) == (["printer"], ["printer"])
    assert [pipeline.name for pipeline in followed()] == ["other"]
    assert "the console goes on with the pipelines before" in capsys.readouterr().err
