"""The queries of every dashboard are bounded in time and size; tests/conformance runs them."""

import re

from anomaly.grafana.panels import Json
from tests.unit.anomaly.grafana.dashboards import each, queries


@each
def test_every_query_keeps_to_the_time_shown_once(found: Json) -> None:
    for title, query in queries(found):
        # Grafana fills in the first one of a variable's or an annotation's query only.
        assert query.count("$timeFilter") == 1, title


@each
def test_every_query_is_bounded(found: Json) -> None:
    for title, query in queries(found):
        # The last one is a single row of aggregates over everything.
        assert (
            re.search(r" GROUP BY time\(\$__interval\) fill\(none\)$", query)
            or re.search(r" GROUP BY time\(\$__interval\), .* fill\(none\) SLIMIT 20$", query)
            or re.search(r" S?LIMIT \d+$", query)
            or re.match(r'SELECT top\("worst", .*, 20\) ', query)
            or re.match(r'SELECT bottom\("ok", .*, 200\) ', query)
            or (re.match(r"SELECT (count|max|sum)\(", query) and not query.rpartition(")")[2].count(" GROUP BY "))
        ), (title, query)
