"""The periods that results hold, as training asks for them."""

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.known_periods import known_periods
from anomaly.influxdb.times import TimeRange
from tests.unit.anomaly.influxdb_double import InfluxDB
from tests.unit.anomaly.printers import PIPELINE


def test_periods_on_a_span_are_read_and_silences_are_not(influxdb: InfluxDB) -> None:
    influxdb.databases.append("anomaly")
    for end_s, reason, begin_s in ((40, "bed", 30), (110, "bed", 90), (130, "no data", 110), (300, "air", 150)):
        influxdb.write(
            f'period,pipeline=printer,printer=p1 end_ms={end_s}000i,reason="{reason}" {begin_s}000000000',
        )
    influx = InfluxClient(influxdb.url, "reader", "secret")

    found = list(known_periods(influx, "anomaly", PIPELINE, TimeRange(100 * 10**9, 200 * 10**9)))

    assert found == [
        (("p1",), TimeRange(90 * 10**9, 110 * 10**9)),
        (("p1",), TimeRange(150 * 10**9, 300 * 10**9)),
    ]
