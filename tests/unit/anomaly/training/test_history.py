"""A history as training reads it is what InfluxDB has."""

import numpy as np

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.times import RequestedRange
from anomaly.training.history import read_history
from anomaly.windows.windows import Windows
from tests.unit.anomaly import printers
from tests.unit.anomaly.influxdb_double import InfluxDB, serve
from tests.unit.anomaly.printers import PIPELINE

HISTORY = printers.windows(printers.clean(3, 6000), printers.clean(4, 6000))


def test_what_is_read_is_what_was_there() -> None:
    values = HISTORY.values.copy()
    values[3, 1] = np.nan
    stored = Windows(HISTORY.keys, HISTORY.series, HISTORY.begin_ns, values, HISTORY.counts)
    end_ns = int(HISTORY.begin_ns.max()) + printers.WINDOW_NS

    with serve(InfluxDB(stored, dict.fromkeys(printers.FIELDS, "float"), rows_a_chunk=97)) as influxdb:
        client = InfluxClient(influxdb.url, "reader", "secret")
        windows = read_history(client, PIPELINE, RequestedRange(0, end_ns, ("", ""))).windows

    assert windows.keys == HISTORY.keys
    np.testing.assert_array_equal(windows.series, HISTORY.series)
    np.testing.assert_array_equal(windows.begin_ns, HISTORY.begin_ns)
    np.testing.assert_array_equal(windows.values, values)
    np.testing.assert_array_equal(windows.counts, HISTORY.counts)
