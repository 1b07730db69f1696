"""Which periods are one incident, what it says of itself, and that neither order nor restarts change that."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.keeper import incidents as module
from anomaly.keeper.incidents import Incidents, Population, Report, SeenPeriod, incident_text, shared_text

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
NOW = 1_704_067_200 * SECOND


def period(begin_ns: int, end_ns: int | None = None, printer: str = "p1", **changes: object) -> SeenPeriod:
    """Return a period that begins and ends so long before NOW; without an end it is open."""
    plain = SeenPeriod(
        pipeline="printer",
        tags=(("printer", printer),),
        topic="stack",
        begin_ns=NOW - begin_ns,
        end_ns=NOW - (0 if end_ns is None else end_ns),
        is_open=end_ns is None,
        severity=80.0,
        reason="hotend",
        level=1,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def look(*periods: SeenPeriod, incidents: Incidents | None = None, now_ns: int = NOW) -> list[list[str]]:
    """Return the printers of each incident, in the order in which their periods began."""
    reports = (incidents or Incidents()).look(periods, now_ns)
    return [[each.tags[0][1] for each in report.periods] for report in reports]


def test_periods_of_a_pipeline_that_overlap_are_one_incident() -> None:
    assert look(period(20 * MINUTE), period(MINUTE, printer="p2")) == [["p1", "p2"]]


def test_periods_of_two_pipelines_that_share_a_tags_value_are_one_incident() -> None:
    pump = period(MINUTE, pipeline="pump", tags=(("pump", "a"), ("switch", "sw3")))
    printer = period(MINUTE, tags=(("printer", "p1"), ("switch", "sw3")))
    other = period(MINUTE, pipeline="room", tags=(("room", "a"), ("switch", "sw4")))

    reports = Incidents().look([pump, printer, other], NOW)

    assert [{each.pipeline for each in report.periods} for report in reports] == [{"printer", "pump"}, {"room"}]


@pytest.mark.parametrize(
    "other",
    [
        period(5 * HOUR, 4 * HOUR, "p2"),
        period(MINUTE, printer="p2", pipeline="pump", tags=(("pump", "p2"),)),
        period(MINUTE, printer="p2", topic="workshop"),
    ],
    ids=["another time", "nothing shared", "another topic"],
)
def test_what_does_not_belong_together_is_two_incidents(other: SeenPeriod) -> None:
    assert len(look(period(20 * MINUTE), other)) == 2


def test_what_begins_six_hours_later_is_an_incident_of_its_own() -> None:
    assert look(period(7 * HOUR), period(MINUTE, printer="p2")) == [["p1"], ["p2"]]


def test_an_incident_is_over_five_minutes_after_its_last_period_and_is_not_opened_again() -> None:
    incidents = Incidents()
    incidents.look([period(HOUR)], NOW)
    ended = period(HOUR, MINUTE)

    (still,) = incidents.look([ended], NOW)
    assert still.incident.is_open
    (over,) = incidents.look([ended], NOW + 5 * MINUTE)
    assert not over.incident.is_open
    assert over.incident.told_level == "OK"
    # It overlaps the first one, and becomes known after that was over.
    late = period(2 * MINUTE, printer="p2", end_ns=None)
    assert look(ended, late, incidents=incidents, now_ns=NOW + 6 * MINUTE) == [["p1"], ["p2"]]


def test_a_period_that_is_shorter_than_was_known_stays_in_its_incident() -> None:
    incidents = Incidents()
    first, second = period(HOUR), period(MINUTE, printer="p2")
    incidents.look([first, second], NOW)

    assert look(period(HOUR, 30 * MINUTE), second, incidents=incidents) == [["p1", "p2"]]


def test_an_earlier_period_that_becomes_known_later_joins_and_is_named_as_the_first() -> None:
    incidents = Incidents()
    incidents.look([period(MINUTE, printer="p2")], NOW)

    (report,) = incidents.look([period(MINUTE, printer="p2"), period(HOUR)], NOW)

    assert report.incident.founder == "pipeline=printer,printer=p2"
    assert report.periods[0].series == "pipeline=printer,printer=p1"


def test_the_level_rises_and_falls_only_when_the_incident_is_over() -> None:
    incidents = Incidents()
    levels = []
    for level in (0, 2, 1, 3, 0):
        (report,) = incidents.look([period(HOUR, level=level)], NOW)
        levels.append(report.incident.told_level)
    (report,) = incidents.look([], NOW)

    assert [*levels, report.incident.told_level] == ["OK", "WARNING", "WARNING", "CRITICAL", "CRITICAL", "OK"]


def test_what_was_over_before_it_became_known_is_told_to_nobody() -> None:
    (report,) = Incidents().look([period(HOUR, 30 * MINUTE, level=3)], NOW)
    assert report.incident.told_level == "OK"


def test_what_was_over_long_ago_is_forgotten() -> None:
    incidents = Incidents()
    ended = period(HOUR, MINUTE)
    incidents.look([ended], NOW)
    incidents.look([ended], NOW + 7 * HOUR)

    assert incidents.kept == []
    assert incidents.look([ended], NOW + 7 * HOUR) == []


def test_a_storm_is_bounded() -> None:
    apart = [period(MINUTE + at, pipeline=f"p{at}", tags=(("name", f"n{at}"),)) for at in range(100)]

    reports = Incidents().look(apart, NOW)

    assert len(reports) == 20
    assert sum(len(report.periods) for report in reports) == 100


def test_periods_are_read_from_the_begin_of_what_is_open() -> None:
    incidents = Incidents()
    assert incidents.begin_ns(NOW, HOUR) == NOW - HOUR
    incidents.look([period(10 * HOUR)], NOW)
    assert incidents.begin_ns(NOW, HOUR) == NOW - 11 * HOUR


def switches(failing: int, sound: int, others: int) -> tuple[Report, dict[str, Population]]:
    """Return an incident with series at a failing switch and others, and the pipeline's series."""
    tags = [("sw3", at) for at in range(failing)] + [("sw1", at) for at in range(failing, failing + sound)]
    members = [
        period(MINUTE + at, tags=(("printer", f"p{at}"), ("site", "a"), ("switch", switch))) for switch, at in tags
    ]
    values = {f"printer=p{at}": 1 for at in range(others)}
    values |= {"switch=sw3": failing, "switch=sw1": others - failing, "site=a": others}
    (report,) = Incidents().look(members, NOW)
    return report, {"printer": Population(others, values)}


def test_a_value_that_is_over_represented_is_named_and_what_all_series_have_is_not() -> None:
    assert shared_text(*switches(9, 2, 100)) == "switch=sw3 in 9 of 11 series"


def test_values_that_chance_would_bring_are_not_named() -> None:
    assert shared_text(*switches(3, 3, 8)) == ""


def test_an_incident_says_what_began_it_how_large_and_how_bad_it_is() -> None:
    incidents = Incidents()
    begun = [period(10 * MINUTE), period(MINUTE, printer="p2", severity=90.0)]
    begun.append(period(MINUTE, pipeline="pump", tags=(("printer", "p1"),)))
    (report,) = incidents.look(begun, NOW)
    assert incident_text(report, "switch=sw3 in 9 of 11 series") == (
        "incident since 2023-12-31 23:50:00 UTC, begun by pipeline=printer,printer=p1 because of hotend: 3 series of "
        "printer (2), pump (1), peak severity 90.0: once in 4.3 years; switch=sw3 in 9 of 11 series"
    )

    (report,) = incidents.look([replace(each, is_open=False) for each in begun], NOW + HOUR)
    assert incident_text(report, "").startswith("incident over, from 2023-12-31 23:50:00 UTC for 10m0s, begun by ")


def test_a_limit_says_nothing_of_how_rare_it_is() -> None:
    (report,) = Incidents().look([period(MINUTE, severity=100.0, is_beyond_limit=True)], NOW)
    assert incident_text(report, "").endswith("1 series of printer (1), peak severity 100.0")


def test_a_hostile_name_is_a_tag_that_line_protocol_can_hold() -> None:
    (report,) = Incidents().look([period(MINUTE, printer="<!channel>\\" + "x" * 300)], NOW)

    founder = report.incident.founder
    assert len(founder) < 220
    assert not set("<>\\") & set(founder)
    assert not set("<>") & set(incident_text(report, ""))


seen = st.builds(
    lambda begin, length, printer, pipeline, is_open, level: period(
        begin * MINUTE,
        None if is_open else max(begin - length, 0) * MINUTE,
        tags=(("printer", printer), ("switch", printer[-1])),
        pipeline=pipeline,
        level=level,
    ),
    st.integers(0, 300),
    st.integers(0, 60),
    st.sampled_from(["a1", "b1", "c2", "d2", "e3"]),
    st.sampled_from(["x", "y", "z"]),
    st.booleans(),
    st.integers(0, 3),
)
several = st.lists(seen, max_size=25, unique_by=lambda each: each.key)


def shown(reports: list[Report]) -> list[tuple[tuple[str, str, int], bool, str, tuple[SeenPeriod, ...]]]:
    return [
        (report.incident.identity, report.incident.is_open, report.incident.told_level, tuple(report.periods))
        for report in reports
    ]


@given(several, st.randoms(use_true_random=False))
def test_the_order_of_periods_does_not_matter(periods: list[SeenPeriod], random: object) -> None:
    shuffled = list(periods)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert shown(Incidents().look(periods, NOW)) == shown(Incidents().look(shuffled, NOW))


@given(several)
def test_each_period_is_in_one_incident_and_another_look_changes_nothing(periods: list[SeenPeriod]) -> None:
    incidents = Incidents()
    first = shown(incidents.look(periods, NOW))
    assert sorted(each.key for _, _, _, members in first for each in members) == sorted(each.key for each in periods)
    assert sorted(shown(incidents.look(periods, NOW))) == sorted(first)


@given(several, several)
def test_a_restart_changes_nothing(before: list[SeenPeriod], after: list[SeenPeriod]) -> None:
    whole, broken = Incidents(), Incidents()
    for incidents in (whole, broken):
        incidents.look(before, NOW)
    restarted = Incidents()
    restarted.restore(json.loads(json.dumps(broken.state())))

    later = [*before, *(each for each in after if each.key not in {known.key for known in before})]
    assert shown(restarted.look(later, NOW + MINUTE)) == shown(whole.look(later, NOW + MINUTE))


@given(st.lists(several, max_size=6))
def test_what_is_remembered_is_bounded(looks: list[list[SeenPeriod]]) -> None:
    incidents = Incidents()
    for number, periods in enumerate(looks):
        incidents.look(periods, NOW + number * MINUTE)
        assert sum(incident.is_open for incident in incidents.kept) <= module._MOST_OPEN
        assert len(incidents.kept) <= module._MOST_KEPT
