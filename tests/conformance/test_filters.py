"""Names and values arrive whole, whatever they are.

A pipeline's `where` selects the same points in Kapacitor, in InfluxDB, and in Python. The names that a measurement has
are those that InfluxDB tells.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.module_utils.influxdb_api import InfluxApi
from ansible_collections.influx_anomaly.stack.plugins.modules import influxdb_source_info

from anomaly.influxdb.influxql import source, watched
from anomaly.influxdb.source import read_source_keys
from anomaly.kapacitor.points import reading
from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.resolve import resolve
from anomaly.pipeline.source_keys import READABLE, SourceKeys
from daemons.influxd import Influxd
from daemons.kapacitord import Kapacitord, wait_until

pytestmark = pytest.mark.containers

Start = Callable[..., Kapacitord]
# What ends a string, an identifier, a regular expression or a line somewhere, and what looks like a tag's value.
TEXTS = [
    "kitchen", "Kitchen", "web-1", "web-12", "it's", "'", "''a", "\\'x", "a\\b", "a\\\\b", "a/b", "\\/x", "//",
    '"', 'a"b',
    "a b", "a,b=c", "$x", "{{ x }}", "/* x", "-- x", "x') OR ('1'='1", "x' OR '' = ''", "TRUE", "ü数", "%s",
    "\\n", "é\\x2Fé",
]  # fmt: skip
PATTERNS = [
    "^web-[0-9]+$", "(?i)^kitchen$", "^$", "", "/", "a/b", "\\\\", "a\\\\\\\\b", "[/\\\\]", "[^a-z]", "'",
    "\\'", '"', "\\/", "^a\\\\b$",
    "\\x2F", "ü|数", "^(web|it)", "\\d", "$", "x*",
]  # fmt: skip
NAMES = ["room", "the hall", "it's", 'a"b', "back\\slash", "$x"]


def condition(choose: random.Random) -> Any:
    """A condition that allows something."""
    texts, pattern = choose.sample(TEXTS, 3), choose.choice([pattern for pattern in PATTERNS if pattern])
    return choose.choice(
        [
            texts[0],
            texts,
            {"not": texts},
            {"not": texts[0], "present": True},
            {"matches": pattern},
            {"not_matches": pattern},
            {"matches": pattern, "not": texts},
            {"present": True},
            {"present": False},
        ]
    )


def pipelines() -> Iterator[Pipeline]:
    """Pipelines of different filters: each text and pattern for itself, and some of several conditions."""
    plain = {"name": "p", "database": "db", "measurement": "m", "fields": ["id"], "window": "10s"}
    choose = random.Random(12)  # noqa: S311 (the same cases each time)
    each: list[dict[str, Any]] = [
        *({"room": text} for text in TEXTS),
        *({"room": {"not": text}} for text in TEXTS),
        *({"room": {key: pattern}} for pattern in PATTERNS if pattern for key in ("matches", "not_matches")),
        *({name: {"present": present}} for name in NAMES for present in (True, False)),
        *({name: condition(choose) for name in choose.sample(NAMES, choose.choice((1, 2, 3)))} for _ in range(40)),
    ]
    return iter([normalize([{**plain, "where": where}])[0] for where in each])


def points() -> list[dict[str, str]]:
    """The tags of points: every text under the first name, and many combinations, missing tags among them."""
    choose = random.Random(7)  # noqa: S311 (the same cases each time)
    mixed = [{name: choose.choice(TEXTS) for name in NAMES if choose.random() < 0.6} for _ in range(100)]
    return [{}, *({"room": text} for text in TEXTS), *mixed]


def escaped(text: str) -> str:
    for character in ", =":
        text = text.replace(character, f"\\{character}")
    return text


def line(number: int, tags: dict[str, str]) -> str:
    names = "".join(f",{escaped(name)}={escaped(value)}" for name, value in tags.items())
    return f"m{names} id={number} {number + 1}"


def branch(number: int, pipeline: Pipeline) -> str:
    """Script that writes of each point whether the pipeline's own script would hand it on."""
    found = reading(pipeline)
    lambdas = ", ".join(f"lambda: {text}" for text in found.lambdas)
    names = ", ".join("'" + name.replace("'", "\\'") + "'" for name in found.names)
    return (
        f"stream|from().measurement('m')|eval({lambdas}).as({names}).keep('id', '{READABLE}')"
        f"|influxDBOut().database('out').measurement('f{number}').flushInterval(100ms)"
    )


def test_the_names_of_a_source_are_read_from_influxdb(influxd: Influxd) -> None:
    """Both readers, that of training and that of the playbooks, tell a measurement's own fields and tags."""
    influxd.create("db")
    names = {"tag": "it's", "field": 'a "b"', "measurement": "m°/1"}
    lines = ['m°/1,it\'s=x a\\ "b"=1,text="x" 1', 'm°/1,room=y a\\ "b"=2,n=1i 2', "other,host=z value=1 1"]
    influxd.client.write(lines, "db")
    (pipeline,) = normalize(
        [
            {
                "name": "p",
                "database": "db",
                "measurement": names["measurement"],
                "fields": [names["field"]],
                "window": "10s",
            }
        ]
    )
    keys = read_source_keys(influxd.client, pipeline)
    assert keys == SourceKeys({names["field"]: {"float"}, "text": {"string"}, "n": {"integer"}}, {names["tag"], "room"})
    source = {"database": "db", "retention_policy": "autogen", "measurement": names["measurement"]}
    told = influxdb_source_info.read_source(InfluxApi(influxd.url), source)
    assert told == {
        **source,
        "fields": {name: sorted(types) for name, types in keys.fields.items()},
        "tags": sorted(keys.tags),
    }
    assert read_source_keys(influxd.client, replace(pipeline, measurement="none")) == SourceKeys({}, set())
    (pipeline,) = normalize([{**pipeline.as_dict(), "measurement": "/°/"}])
    several = read_source_keys(influxd.client, pipeline)
    assert several == SourceKeys(measurements={"m°/1": keys, "other": SourceKeys({"value": {"float"}}, {"host"})})
    place = {"database": "db", "retention_policy": "autogen"}
    told = influxdb_source_info.read_source(InfluxApi(influxd.url), {**place, "measurement": None})
    assert resolve(pipeline, SourceKeys.of(told)) == resolve(pipeline, several)
    assert resolve(pipeline, several).measurements == ("m°/1",)


def test_script_query_and_python_select_the_same_points(kapacitord: Start, influxd: Influxd) -> None:
    influxd.create("db", "out")
    watching, written = list(pipelines()), points()
    kapacitor = kapacitord(influxdb=influxd.url)
    for number, pipeline in enumerate(watching):
        kapacitor.define(f"p{number}", branch(number, pipeline))
    lines = [line(number, tags) for number, tags in enumerate(written)]
    influxd.client.write(lines, "db")
    kapacitor.write(*lines)

    def handed_on(number: int) -> set[int]:
        """Wait until Kapacitor has judged each point, and return those that it hands on."""
        query = f'SELECT "id", "{READABLE}" FROM "f{number}"'

        def judged() -> list[list[Any]]:
            return [row for chunk in influxd.client.query(query, "out") for row in chunk.rows]

        wait_until(lambda: len(judged()) == len(written), f"{number}: {watching[number].where.as_dict()}")
        return {int(identity) for _, identity, is_handed in judged() if is_handed}

    for number, pipeline in enumerate(watching):
        where = watched(pipeline).replace(" AND ", " WHERE ", 1)
        query = f'SELECT "id" FROM {source(pipeline)}{where}'
        asked = {int(row[1]) for chunk in influxd.client.query(query, "db") for row in chunk.rows}
        held = {identity for identity, tags in enumerate(written) if pipeline.where.holds(tags)}
        assert asked == held, (pipeline.where.as_dict(), query)
        assert handed_on(number) == held, (pipeline.where.as_dict(), reading(pipeline).lambdas[-1])
