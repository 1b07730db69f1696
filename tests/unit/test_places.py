"""The unit tests of a module of `anomaly` are where one looks for them.

The tests of `ROOM/MODULE.py` are in `tests/unit/anomaly/ROOM/test_MODULE.py`. Further files beside it tell of what
several modules do together. `TESTED_ELSEWHERE` lists the modules that have no such file, with the tests that they have.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "udf" / "anomaly" / "src" / "anomaly"
TESTS = ROOT / "tests"
# The modules by the reason why, and the file of tests that has each of them, below tests/.
TESTED_ELSEWHERE = {
    # They only hand options to the module that does the work, whose tests have the details.
    "__main__.py": "unit/anomaly/cli/test_main.py",
    "cli/backtest.py": "unit/anomaly/backtest/test_run.py",
    "cli/common.py": "unit/anomaly/cli/test_main.py",
    "serving/udf.py": "unit/anomaly/serving/test_handler.py",
    # They have names and numbers alone, or one class without a method.
    "cli/codes.py": "unit/anomaly/cli/test_main.py",
    "detectors/parts/channel.py": "unit/anomaly/detectors/parts/test_featurewise.py",
    "locations.py": "unit/anomaly/serving/test_handler.py",
    "models/libraries.py": "unit/anomaly/cli/test_models.py",
    "refusal.py": "unit/anomaly/training/test_gate.py",
    "scoring/layout.py": "unit/anomaly/serving/test_state.py",
    "scoring/notices.py": "unit/anomaly/scoring/test_silence.py",
    # What all detectors promise is tested of each of them, and their scores are those of scores.json.
    "detectors/base.py": "unit/anomaly/detectors/test_registry.py",
    "detectors/half_space_trees.py": "unit/anomaly/detectors/test_registry.py",
    "detectors/isolation_forest.py": "unit/anomaly/detectors/test_registry.py",
    "detectors/knn.py": "unit/anomaly/detectors/test_registry.py",
    "detectors/robust_z.py": "unit/anomaly/detectors/test_registry.py",
    # They are compared with what they stand in for.
    "detectors/forest/walk_numpy.py": "unit/anomaly/detectors/forest/test_walk.py",
    "detectors/parts/uncompiled.py": "unit/anomaly/detectors/parts/test_loops.py",
}


def test_each_module_has_its_tests_at_its_path() -> None:
    modules = [path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if path.name != "__init__.py"]
    assert len(modules) > 200

    untested = {
        str(module)
        for module in modules
        if not (TESTS / "unit" / "anomaly" / module.parent / f"test_{module.name}").is_file()
    }

    assert untested == set(TESTED_ELSEWHERE)


def test_the_tests_elsewhere_are_there() -> None:
    assert [path for path in TESTED_ELSEWHERE.values() if not (TESTS / path).is_file()] == []
