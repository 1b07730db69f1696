"""Every kind of mistake in a pipeline, with its message."""

import math
from typing import Any

import pytest

from tests.unit.anomaly.pipeline.minimal import one, problems

LIMITED_BED = [{"name": "bed", "limits": [0, 9]}]


# YAML's anchors can nest a value within itself.
NESTED: dict[str, Any] = {}
NESTED["room"] = NESTED
NESTED_LIST: list[Any] = []
NESTED_LIST.append(NESTED_LIST)
# Seven of YAML's anchors, each with nine of the one before, are five million values.
BOMB: list[Any] = ["x"]
for _ in range(7):
    BOMB = 9 * [BOMB]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"windwo": "10s"}, 'pipelines[0] "p0": windwo: "10s" is under an unknown key: did you mean window?'),
        ({"zzz": 1}, "zzz: 1 is under an unknown key: known keys are name, enabled,"),
        (
            {"detector": "knn", "parameters": {"trees": 50}},
            "parameters.trees: 50 is not a parameter of knn (it has neighbours, models): remove it",
        ),
        (
            {"detector": "gap", "parameters": {"trees": 50}},
            "parameters.trees: 50 is not a parameter of gap (it has none): remove it",
        ),
        ({"parameters": {"tree": 5}}, "parameters.tree: 5 is under an unknown key: did you mean trees?"),
        ({"window": "10 s"}, 'window: "10 s" is not a duration: write an integer and one of ms, s, m, h, d, w'),
        ({"window": 10}, "window: 10 is not text: write text, such as `10s`"),
        ({"window": "7s"}, 'window: "7s" begins at other times each day: write one that divides a day, such as 10s'),
        ({"window": "36h"}, "begins at other times each day"),
        ({"window": "0s"}, 'window: "0s" is shorter than 1ms'),
        ({"window": "0s", "timezone": "Europe/Berlin"}, 'window: "0s" is shorter than 1ms'),
        ({"window": "10u"}, 'window: "10u" is shorter than 1ms'),
        ({"fields": "hotend"}, 'fields: "hotend" is not a list: write a list, such as `["hotend", "bed"]`'),
        ({"fields": []}, 'fields: [] is empty: name at least 1, such as `["hotend", "bed"]`'),
        ({"fields": ["a", "b", "a"]}, 'fields: ["a", "b", "a"] has a more than once: name each once'),
        ({"fields": ["a", 3]}, "fields[1]: 3 is not text or a mapping: write one of them, such as `hotend`"),
        ({"fields": ["time"]}, 'fields: "time" is the point\'s timestamp'),
        ({"fields": ["a\\"]}, 'fields[0]: "a\\\\" has a control character in it or a backslash at its end'),
        ({"fields": ["a\nb"]}, "has a control character in it"),
        ({"fields": [""]}, 'fields[0]: "" is empty'),
        ({"fields": ["a\n"]}, "has a control character in it"),
        ({"fields": [{"name": "a\\"}]}, 'fields[0].name: "a\\\\" has a control character in it or a backslash'),
        ({"fields": [{"unit": "K"}]}, "fields[0].name: is missing: add it, such as `name: hotend`"),
        ({"fields": [{"name": "a"}, "a"]}, 'fields: "a" is there more than once: name each once'),
        ({"fields": [{"name": "a", "units": "K"}]}, 'fields[0].units: "K" is under an unknown key: did you mean unit?'),
        ({"fields": [{"name": "a", "unit": "K\n"}]}, 'fields[0].unit: "K\\n" has a control character in it'),
        ({"fields": [{"name": "a", "direction": "hi"}]}, 'fields[0].direction: "hi" is none of both, high, low: did'),
        ({"fields": [{"name": "a", "min_deviation": -1}]}, "fields[0].min_deviation: -1 is out of range: write at lea"),
        (
            {"fields": ["b", {"name": "a", "direction": "low"}], "aggregate": ["stddev", "count"]},
            'fields[1].direction: "low" cannot be told from stddev, count: add one that says where they are',
        ),
        (
            {"fields": [{"name": "a", "rate": "s"}]},
            'fields[0].rate: "s" is not a duration: write an integer and one of',
        ),
        (
            {"fields": [{"name": "a", "rate": "0s"}]},
            'fields[0].rate: "0s" is not a unit of time for a rate: write',
        ),
        (
            {"fields": [{"name": "a", "rate": "2d"}]},
            'fields[0].rate: "2d" is not a unit of time for a rate: write',
        ),
        ({"fields": [{"name": "a", "Rate": "1s"}]}, 'fields[0].Rate: "1s" is under an unknown key: did you mean rat'),
        (
            {"fields": [{"name": "a", "rate": "1s"}], "aggregate": ["sum"]},
            'fields[0].rate: "1s" cannot be summed up over a window\'s points (aggregate has sum): choose mean, which',
        ),
        (
            {"fields": [{"name": "a", "min_deviation": "20 %"}]},
            (
                'fields[0].min_deviation: "20 %" is not a percentage: write a number, or a number and %, without a '
                "space, "
                "such as `20%`"
            ),
        ),
        ({"fields": [{"name": "a", "min_deviation": True}]}, "fields[0].min_deviation: true is not a number or text"),
        (
            {"fields": [{"name": "a", "min_deviation": "20%"}], "aggregate": ["stddev"]},
            'fields[0].min_deviation: "20%" is a share of the usual value, which stddev does not say: add an aggr',
        ),
        ({"fields": [{"name": "a", "limits": [0]}]}, "fields[0].limits: [0] has 1 entries: write 2, such as `[0, 90]`"),
        ({"fields": [{"name": "a", "limits": 90}]}, "fields[0].limits: 90 is not a list: write a list, such as `[0,"),
        (
            {"fields": [{"name": "a", "valid": [0, "x"]}]},
            'fields[0].valid[1]: "x" is not a number or null: write one of them',
        ),
        (
            {"fields": [{"name": "a", "limits": [90, 0]}]},
            "fields[0].limits: [90.0, 0.0] has nothing between its ends: write the lower one first",
        ),
        (
            {"fields": [{"name": "a", "valid": [None, None]}]},
            "fields[0].valid: [null, null] bounds nothing: write a number on one side, or remove it",
        ),
        (
            {"fields": [{"name": "a", "limits": [90, None], "valid": [0, 80]}]},
            "fields[0].limits: [90.0, null] contradicts valid, [0.0, 80.0]: it has nothing in common with it, so every",
        ),
        (
            {
                "measurement": ["flow", "heat"],
                "overrides": [{"where": {"measurement": "heta"}, "fields": [{"name": "bed", "limits": [0, 120]}]}],
            },
            'overrides[0].where.measurement: "heta" is none of the pipeline\'s measurements (flow, heat): did you mean',
        ),
        (
            {"fields": [{"name": "a", "limits": [0, 150], "valid": [-40, 125]}]},
            (
                "fields[0].limits: [0.0, 150.0] contradicts valid, [-40.0, 125.0]: a value beyond 150 is not a "
                "measurement, "
                "so it breaks no limit; write limits within valid"
            ),
        ),
        (
            {"fields": [{"name": "a", "limits": [0, 90]}], "aggregate": ["stddev", "sum"]},
            "fields[0].limits: [0.0, 90.0] cannot be told from stddev, sum: add an aggregate of values, such as max",
        ),
        ({"fields": [{"name": "a", "limit": [0, 90]}]}, "fields[0].limit: [0, 90] is under an unknown key: did you me"),
        (
            {
                "group_by": ["printer"],
                "overrides": [{"where": {"prnter": "p1"}, "fields": [{"name": "bed", "limits": [0, 9]}]}],
            },
            'overrides[0].where: "prnter" is not a tag that tells the pipeline\'s series apart: did you mean printer?',
        ),
        (
            {
                "group_by": ["printer"],
                "overrides": [{"where": {"printer": "p1"}, "fields": [{"name": "bad", "limits": [0, 9]}]}],
            },
            'overrides[0].fields[0].name: "bad" is not a field of the pipeline: did you mean bed?',
        ),
        (
            {"group_by": ["printer"], "overrides": [{"where": {"printer": "p1"}, "fields": [{"name": "bed"}]}]},
            'overrides[0].fields[0]: {"name": "bed"} says nothing: write what it is for, such as `{"name": "used_perc',
        ),
        (
            {
                "group_by": ["printer"],
                "overrides": [{"where": {"printer": "p1"}, "fields": [{"name": "bed", "direction": "low"}]}],
            },
            'overrides[0].fields[0].direction: "low" is under an unknown key: known keys are name, min_deviation, ',
        ),
        (
            {
                "group_by": ["printer"],
                "fields": ["hotend", {"name": "bed", "valid": [0, 100]}],
                "overrides": [{"where": {"printer": "p1"}, "fields": [{"name": "bed", "limits": [0, 120]}]}],
            },
            "overrides[0].fields[0].limits: [0.0, 120.0] contradicts valid, [0.0, 100.0]",
        ),
        (
            {
                "group_by": ["printer"],
                "overrides": [{"where": {"printer": {"matches": "("}}, "fields": [{"name": "bed", "limits": [0, 9]}]}],
            },
            'overrides[0].where.printer.matches: "(" is not a regular expression (RE2)',
        ),
        (
            {"fields": [{"name": "share", "expression": "errors // requests"}]},
            "fields[0].expression: \"errors // requests\" has 'errors // requests' in it: use names of fields, numb",
        ),
        ({"fields": [{"name": "a", "expresion": "b / c"}]}, "under an unknown key: did you mean expression?"),
        ({"window": "1m\n"}, 'window: "1m\\n" is not a duration: write an integer and one of'),
        ({"window": "1ns"}, 'window: "1ns" is not a multiple of a microsecond: write a longer one, such as 10s'),
        ({"window": "100w"}, 'window: "100w" is longer than 11w, and no severity tells so few windows apart: write'),
        ({"window": "9" * 5000 + "s"}, "is longer than 292 years: write a shorter one, such as 1d"),
        ({"periods": {"silence": "15250w"}}, 'periods.silence: "15250w" is longer than 366d: write at most that'),
        ({"fill": {"previous": "15000w"}}, 'fill.previous: "15000w" is longer than 366d: write at most that'),
        ({"periods": {"new_level": "99999w"}}, 'periods.new_level: "99999w" is longer than 292 years: write a shor'),
        ({"training": {"from": "99999w"}}, 'training.from: "99999w" is longer than 292 years: write a shorter one'),
        ({"memory": "256MiB\n"}, 'memory: "256MiB\\n" is not a size: write an integer and one of KiB, MiB, GiB'),
        ({"alerts": {"topic": "a\n"}}, 'alerts.topic: "a\\n" cannot be a topic'),
        ({"fields": [{"name": "a", "min_deviation": "20%\n"}]}, 'min_deviation: "20%\\n" is not a percentage: write'),
        ({"fields": [{"name": "a", "min_deviation": 10**400}]}, "000... is not a finite number: write one, or remove"),
        ({"fields": [{"name": "a", "limits": [0, 10**400]}]}, "fields[0].limits[1]: 1000000000"),
        ({"measurement": "a\ud800"}, 'measurement: "a\\ud800" is not a text in UTF-8: correct it'),
        ({"where": {"a\ud800": "x"}}, 'where: "a\\ud800" is not a text in UTF-8: correct it'),
        ({"where": {"room": {"matches": "\ud800"}}}, 'where.room.matches: "\\ud800" is not a text in UTF-8: corr'),
        ({"where": NESTED}, "where: nests too deeply: write it as docs/pipelines.md does"),
        ({"group_by": BOMB}, "group_by: holds more than 100,000 values: write it as docs/pipelines.md does"),
        ({"group_by": NESTED_LIST}, "group_by: nests too deeply: write it as docs/pipelines.md does"),
        ({"fields": [{"name": "a", "expression": "a" * 501}]}, "... is longer than 500 characters: write a shorter on"),
        ({"fields": [{"name": "a", "expression": ""}]}, 'fields[0].expression: "" is empty: write a name, such as `er'),
        (
            {"fields": [{"name": "a", "expression": "b / c", "valid": [0, 1]}]},
            "fields[0].valid: [0.0, 1.0] is about a field of InfluxDB, not about an expression: name the fields of the",
        ),
        (
            {"fields": [{"name": "a", "expression": "b / host"}], "group_by": ["host"]},
            'group_by: "host" is also in fields',
        ),
        (
            {"fields": [{"name": "a", "expression": "+".join(f"f{n}" for n in range(65))}]},
            "fields: 65 fields of InfluxDB are named by them and their expressions: at most 64 are possible; split",
        ),
        (
            {"group_by": ["printer"], "overrides": [{"where": {"printer": "p1"}}]},
            "overrides[0].fields: is missing: add it",
        ),
        ({"fields": [f"f{n}" for n in range(65)]}, "fields: has 65 entries: at most 64 are possible"),
        (
            {"where": {"room": ""}},
            'where.room: "" is empty: write a value, or `{present: false}` for points without the',
        ),
        ({"where": {"": "kitchen"}}, 'where: "" is empty: write a name'),
        ({"where": {}}, "where: {} is empty: write what it asks for, or remove it"),
        (
            {"where": {"floor": 3}},
            "where.floor: 3 is not text or a list or a mapping: write one of them, such as `kitchen`;",
        ),
        # What YAML makes of `on` and `NO`.
        ({"where": {"state": True}}, "; YAML reads true, yes and on like this unless they stand in quotes"),
        (
            {"calendars": [{"means": "quiet", "country": False}]},
            "calendars[0].country: false is not text: write text, such as `DE`; YAML reads false, no and off like this",
        ),
        ({"where": {"floor": 3}}, 'with quotes, "3", it is text'),
        (
            {"where": {"room": {"mathces": "x"}}},
            'where.room.mathces: "x" is under an unknown key: did you mean matches?',
        ),
        ({"where": {"room": {"matches": "(?P<n>a)(?P<n>b)"}}}, "(RE2): a group has the name n, which nothing uses: le"),
        (
            {"training": {"from": "30s"}, "window": "1m"},
            'training.from: "30s" leaves less than a window (1m) to train on: write an earlier time, such as 14d',
        ),
        ({"where": {"room": {"matches": "("}}}, 'where.room.matches: "(" is not a regular expression (RE2): missing )'),
        ({"where": {"hotend": "x"}}, 'where: "hotend" is also in fields: conditions are on tags'),
        ({"where": {"_x": "x"}}, 'where: "_x" is a name that InfluxDB keeps for itself'),
        (
            {"where": {"room": {"is": ["a", "b"], "not_matches": "."}}},
            'where.room.is: ["a", "b"] contradicts the other conditions, which allow none of it',
        ),
        ({"where": {"room": {"present": False, "matches": "."}}}, "where.room.present: false contradicts the other"),
        ({"where": {"room": "a\\"}}, "which line protocol cannot carry"),
        ({"seasonality": "daily"}, 'seasonality: "daily" is not a duration'),
        (
            {"seasonality": "90m", "window": "30m"},
            'seasonality: "90m" is shorter than 4 windows (30m each), which show',
        ),
        (
            {"seasonality": "1d", "detector": "knn"},
            'seasonality: "1d" is nothing that knn looks at: remove it, or choose ensemble or seasonal',
        ),
        ({"seasonality": ["1d", "25h"]}, 'seasonality: "25h" is not a multiple of 1d, so neither says what the other'),
        ({"seasonality": [7]}, "seasonality[0]: 7 is not text"),
        ({"timezone": "Europe/Berln"}, 'timezone: "Europe/Berln" is not a time zone: did you mean Europe/Berlin?'),
        ({"timezone": "new_york"}, 'timezone: "new_york" is not a time zone: did you mean America/New_York?'),
        ({"timezone": "UTC+1"}, "such as Europe/Berlin; a clock that is always an hour ahead of UTC is Etc/GMT-1"),
        (
            {"timezone": "GMT-5"},
            'timezone: "GMT-5" is not a time zone: write an IANA name, such as Europe/Berlin; a cl',
        ),
        ({"timezone": "+02:00"}, 'timezone: "+02:00" is not a time zone: write an IANA name, such as Europe/Berlin'),
        (
            {"timezone": "Europe/Berlin", "window": "40m", "detector": "ensemble"},
            'timezone: "Europe/Berlin" does not go with windows of 40m: its clock changes by 1h, after which',
        ),
        (
            {"timezone": "Europe/Berlin", "window": "45m", "detector": "seasonal"},
            "of which 1h is a multiple, such as 1h, or one longer than 1h, such as 6h or 1d",
        ),
        (
            {"timezone": "Australia/Lord_Howe", "window": "20m", "parameters": {"context": ["time_of_week"]}},
            'timezone: "Australia/Lord_Howe" does not go with windows of 20m: its clock changes by 30m, after which',
        ),
        ({"aggregate": ["men"]}, 'aggregate[0]: "men" is none of mean, stddev,'),
        ({"aggregate": ["men"]}, "did you mean mean?"),
        ({"aggregate": ["count"]}, 'aggregate: "count" alone says nothing about the values'),
        ({"detector": "isolation_tree"}, "did you mean isolation_forest?"),
        ({"parameters": {"trees": 5}}, "parameters.trees: 5 is out of range: write at least 10, such as `100`"),
        ({"parameters": {"trees": 1e9}}, "parameters.trees: 1000000000.0 is out of range: write at most 1000"),
        ({"parameters": {"trees": True}}, "parameters.trees: true is not an integer: write an integer, such as `100`"),
        ({"parameters": None}, "parameters: null is not a mapping"),
        (
            {"parameters": {"context": ["hour"]}},
            'parameters.context[0]: "hour" is none of difference, deviation, lag, time_of_day, time_of_week: ',
        ),
        ({"parameters": {"context": "lag"}}, 'parameters.context: "lag" is not a list: write a list, such as `["diff'),
        (
            {"parameters": {"context": ["time_of_day"]}, "window": "1d"},
            'parameters.context: "time_of_day" is the same in all windows of 1d: remove it',
        ),
        (
            {"detector": "knn", "parameters": {"context": ["lag"]}},
            'parameters.context: ["lag"] is not a parameter of knn (it has neighbours, models): remove it',
        ),
        ({"parameters": {"models": "series"}}, 'parameters.models: "series" is none of pooled, own: choose one'),
        (
            {"detector": "gap", "parameters": {"models": "own"}},
            'parameters.models: "own" is not a parameter of gap (it has none): remove it',
        ),
        ({"enabled": "yes"}, 'enabled: "yes" is not true or false: write true or false'),
        (
            {"group_by": ["label", "tag_label"]},
            'group_by: "label" is named tag_label in results, as another tag is: remove one, or rename it at its',
        ),
        ({"group_by": ["hotend"]}, 'group_by: "hotend" is also in fields'),
        ({"group_by": ["time"]}, 'group_by: "time" is a name that InfluxDB keeps for itself'),
        ({"training": {"from": "yesterday"}}, 'training.from: "yesterday" is not a time: write a duration before now'),
        ({"training": {"from": "2024-13-01T00:00:00Z"}}, 'training.from: "2024-13-01T00:00:00Z" is not a time that ex'),
        ({"training": {"from": "1h", "to": "2h"}}, 'training.from: "1h" is not before training.to (2h)'),
        (
            {"training": {"from": "2024-01-02T00:00:00Z", "to": "2024-01-01T00:00:00+00:00"}},
            'training.from: "2024-01-02T00:00:00Z" is not before training.to',
        ),
        ({"training": {"every": "1s"}}, 'training.every: "1s" is shorter than 1m, less than a training may take'),
        ({"training": {"every": "often"}}, 'training.every: "often" is not a duration'),
        ({"drift": {"horizon": "3m"}}, 'drift.horizon: "3m" is shorter than 24 windows (10s each), which say little'),
        ({"drift": {"psi": 0}}, "drift.psi: 0 is out of range: write at least 0.01, such as `0.25`"),
        ({"periods": {"open": 40}}, "periods.close: 50.0 is not below periods.open (40): write a lower severity"),
        ({"periods": {"close": 40}, "window": "1h"}, "periods.close: 40.0 is reached by one window of 1h in twenty"),
        ({"periods": {"open": 101}}, "periods.open: 101 is out of range: write at most 100"),
        ({"periods": {"silence": "10s"}}, 'periods.silence: "10s" is shorter than two windows'),
        (
            {"periods": {"silence": "-1m"}},
            'periods.silence: "-1m" is not a duration: write an integer and one of ms, s,',
        ),
        ({"periods": {"silence": 60}}, "periods.silence: 60 is not text: write text, such as"),
        (
            {"periods": {"new_level": "1m"}},
            'periods.new_level: "1m" is too short to tell a new level from a fault: write at least 2m, better 1d',
        ),
        ({"periods": {"merge": "15s"}}, 'periods.merge: "15s" is not a multiple of the window: write one of 10s'),
        (
            {"alerts": {"kinds": ["periods"]}},
            'alerts.kinds[0]: "periods" is none of period, silence, drift, clock, rate, invalid: did',
        ),
        ({"lateness": "-5s"}, 'lateness: "-5s" is not a duration: write an integer and one of ms, s, m, h, d, w'),
        ({"lateness": 10}, "lateness: 10 is not text: write text, such as `10s`"),
        ({"lateness": "2h"}, 'lateness: "2h" is longer than 1h, and each window waits that long for its score: write'),
        ({"future": "-1m"}, 'future: "-1m" is not a duration: write an integer and one of ms, s, m, h, d, w'),
        ({"future": "0s"}, 'future: "0s" is shorter than 1s, by which the clocks of two hosts may differ: write at'),
        ({"future": "2d"}, 'future: "2d" is longer than 1d, and one wrong clock would make the right ones late for'),
        ({"forget": "-1d"}, 'forget: "-1d" is not a duration: write an integer and one of ms, s, m, h, d, w'),
        ({"forget": "soon"}, 'forget: "soon" is not a duration: write an integer and one of ms, s, m, h, d, w'),
        (
            {"forget": "1m"},
            (
                'forget: "1m" is shorter than twice periods.silence (1m), so series that only pause would be dropped: '
                "write at least 2m"
            ),
        ),
        (
            {"forget": "1d", "fill": {"previous": "1d"}},
            "is shorter than twice fill.previous (1d), so series that only pause would be dropped: write at least 2d",
        ),
        ({"forget": "60w"}, 'forget: "60w" is longer than 366d, after which a series is a new one: write at most'),
        ({"memory": "256"}, 'memory: "256" is not a size: write an integer and one of KiB, MiB, GiB, such as `256MiB`'),
        ({"memory": "-1MiB"}, 'memory: "-1MiB" is not a size: write an integer and one of KiB, MiB, GiB'),
        ({"memory": 2**28}, "memory: 268435456 is not text: write text, such as `256MiB`"),
        ({"memory": "8191KiB"}, 'memory: "8191KiB" is less than 8MiB, which holds few series: write at least 8MiB'),
        (
            {"memory": "8MiB", "fields": [f"f{n}" for n in range(64)]},
            'memory: "8MiB" holds the state of 5 series (1503KiB each): write at least 15MiB',
        ),
        ({"memory": "65GiB"}, 'memory: "65GiB" is more than 64GiB: write at most that, or split the pipeline'),
        ({"fill": "last"}, 'fill: "last" is none of none, previous: choose one'),
        ({"fill": 3}, 'fill: 3 is not text or a mapping: write one of them, such as `{"previous": "1h"}`'),
        ({"fill": "previous"}, 'fill: "previous" does not say how long the last values hold: write such as'),
        ({"fill": {"previous": "long"}}, 'fill.previous: "long" is not a duration: write an integer and one of'),
        ({"fill": {"previous": "5s"}}, 'fill.previous: "5s" is shorter than a window (10s), so it fills none: write'),
        (
            {"fields": [{"name": "a", "rate": "1s"}], "fill": {"previous": "1h"}},
            'fill: {"previous": "1h"} lets the last rate of "a" stand although a counter that is not reported has not',
        ),
        ({"fill": {"next": "1h"}}, 'fill.next: "1h" is under an unknown key: known keys are previous'),
        ({"alerts": {"age": "15s"}}, 'alerts.age: "15s" is shorter than a window and its lateness, so nobody would'),
        ({"alerts": {"age": "old"}}, 'alerts.age: "old" is not a duration: write an integer and one of'),
        ({"alerts": {"topic": "a b"}}, 'alerts.topic: "a b" cannot be a topic\'s name: use letters a to z, digits'),
        ({"alerts": {"info": 101}}, "alerts.info: 101 is out of range: write at most 100"),
        ({"alerts": {"info": 90, "warning": 80}}, "alerts.info: 90.0 is above alerts.warning (80): write at most that"),
        ({"alerts": {"critical": 80}}, "alerts.warning: 87.5 is above alerts.critical (80): write at most that"),
        ({"database": "a/b"}, 'database: "a/b" cannot be a name in InfluxDB'),
        ({"retention_policy": ".."}, 'retention_policy: ".." cannot be a name in InfluxDB'),
        ({"measurement": "x" * 300}, "longer than 256 characters"),
        ({"measurement": 3}, "measurement: 3 is not text or a list: write one of them, such as `temperature`"),
        ({"measurement": []}, "measurement: [] is empty: name at least 1"),
        ({"measurement": ["m", "m"]}, 'measurement: ["m", "m"] has m more than once: name each once'),
        ({"measurement": [f"m{n}" for n in range(65)]}, "measurement: has 65 entries: at most 64 are possible"),
        ({"measurement": "/(/"}, 'measurement: "(" is not a regular expression (RE2): missing )'),
        (
            {"measurement": "/./", "group_by": ["measurement"]},
            'group_by: "measurement" is what series have the name of their measurement under, as there may be several',
        ),
        (
            {"measurement": ["m"], "overrides": [{"where": {"measurment": "m"}, "fields": LIMITED_BED}]},
            'overrides[0].where: "measurment" is not a tag that tells the pipeline\'s series apart: did you mean meas',
        ),
        ({"fields": ["_readable"]}, 'fields: "_readable" is a name that the pipeline\'s script uses itself: rename'),
        (
            {"fields": [{"name": "a", "min_deviation": math.inf}]},
            "fields[0].min_deviation: Infinity is not a finite number: write one, or remove the key for its default",
        ),
        ({"fields": [{"name": "a", "min_deviation": math.nan}]}, "fields[0].min_deviation: NaN is not a finite number"),
        ({"fields": [{"name": "a", "limits": [math.nan, 3]}]}, "fields[0].limits[0]: NaN is not a finite number"),
        ({"periods": {"open": math.nan}}, "periods.open: NaN is not a finite number: write one, or remove the key"),
        ({"drift": {"psi": math.nan}}, "drift.psi: NaN is not a finite number"),
        ({"group_by": [{"mathces": "x"}]}, 'group_by[0].mathces: "x" is under an unknown key: did you mean matches?'),
        ({"calendars": [{"mean": "quiet"}]}, 'calendars[0].mean: "quiet" is under an unknown key: did you mean means?'),
        ({"fill": {"previus": "1h"}}, 'fill.previus: "1h" is under an unknown key: did you mean previous?'),
    ],
)
def test_a_mistake_is_named_with_pipeline_key_value_and_fix(change: dict[str, Any], message: str) -> None:
    found = problems(change)
    assert any(message in problem for problem in found), found
    assert all(problem.startswith('pipelines[0] "p0": ') for problem in found)


@pytest.mark.parametrize("change", [{"measurement": ""}, {"where": {"room": ""}}, {"where": {"": "kitchen"}}])
def test_an_empty_name_is_told_once(change: dict[str, Any]) -> None:
    (problem,) = problems(change)
    assert '"" is empty: write ' in problem


@pytest.mark.parametrize(
    "change",
    [
        {"timezone": "Europe/Berlin", "window": "1h", "detector": "ensemble"},
        {"timezone": "Australia/Lord_Howe", "window": "30m", "detector": "ensemble"},
        # This clock never changes.
        {"timezone": "Asia/Kolkata", "window": "12h", "detector": "seasonal", "seasonality": "1w"},
        # The time zone is that of calendars, and the forest does not look at the time.
        {"timezone": "Europe/Berlin", "window": "1d", "detector": "isolation_forest"},
    ],
)
def test_a_time_zone_goes_with_windows_that_a_change_of_its_clock_leaves_whole(change: dict[str, Any]) -> None:
    assert one(**change).timezone == change["timezone"]


@pytest.mark.parametrize("window", ["250ms", "90s", "45m", "8h", "1d", "3d", "1w"])
def test_windows_divide_a_day_or_are_whole_days(window: str) -> None:
    assert one(window=window).window == window
