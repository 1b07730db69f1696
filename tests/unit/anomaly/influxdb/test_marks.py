"""Marks of feedback, as InfluxDB has them."""

from collections.abc import Iterator

import pytest

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.marks import read_feedback
from tests.unit.anomaly import printers
from tests.unit.anomaly.influxdb_double import InfluxDB, serve
from tests.unit.anomaly.printers import PIPELINE
from tests.unit.anomaly.scoring.marks import SAMPLES
from tests.unit.anomaly.serving.test_handler import T0


@pytest.fixture
def influxdb() -> Iterator[InfluxDB]:
    with serve(InfluxDB(printers.windows(SAMPLES), {})) as database:
        database.databases.append("anomaly")
        yield database


def test_a_false_alarm_where_nothing_was_anomalous_has_no_look(influxdb: InfluxDB) -> None:
    influxdb.write(f'feedback,pipeline=printer kind="false_alarm",end_ms={T0 // 10**6 + 10}i {T0}')
    (mark,) = read_feedback(InfluxClient(influxdb.url, "reader", "secret"), "anomaly", PIPELINE)
    assert mark.appearance is None
