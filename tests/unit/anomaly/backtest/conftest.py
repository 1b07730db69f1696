"""Two printers of which one breaks down, and the command that replays them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from anomaly.cli import main
from anomaly.models.store import Store
from anomaly.pipeline import canonical_json
from anomaly.windows.windows import Windows
from tests.unit.anomaly import printers
from tests.unit.anomaly.backtest.made import FAULTS
from tests.unit.anomaly.influxdb_double import InfluxDB, serve
from tests.unit.anomaly.printers import PIPELINE


@pytest.fixture
def broken() -> Windows:
    """Two printers, the first of which breaks down twice."""
    samples = printers.clean(21, 6000)
    for fault in FAULTS:
        printers.break_down(samples, fault)
    return printers.windows(samples, printers.clean(22, 6000))


@pytest.fixture
def run(
    broken: Windows, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    (tmp_path / "spec.json").write_text(canonical_json(PIPELINE))
    (tmp_path / "labels.csv").write_text(
        "begin,end,printer,kind\n"
        "1970-01-01T00:20:03Z,1970-01-01T00:21:43Z,printer-1,offset\n"
        "1970-01-01T00:53:20Z,1970-01-01T00:56:40Z,printer-1,<stuck>\n"
        "1970-01-02T00:00:00Z,1970-01-02T01:00:00Z,printer-1,late\n"
    )

    def run(*more: str, feedback: Sequence[str] = ()) -> tuple[int, str, str]:
        with serve(InfluxDB(broken, dict.fromkeys(printers.FIELDS, "float"), rows_a_chunk=97)) as influxdb:
            influxdb.databases.append("anomaly")
            influxdb.write("\n".join(feedback))
            code = main(
                [
                    *("backtest", "--spec", str(tmp_path / "spec.json"), "--models", str(store.models)),
                    *("--influxdb-url", influxdb.url, "--username", "reader", "--password-file", str(password)),
                    *("--from", "1970-01-01T00:00:00Z", "--to", "1970-01-01T01:40:00Z", *more),
                ]
            )
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    password = tmp_path / "password"
    password.write_text("secret\n")
    return run
