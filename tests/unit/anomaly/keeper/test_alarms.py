"""What is told, and when, with a clock that the tests move by hand."""

import json

from anomaly.keeper.alarms import Alarms, KeeperMessage
from anomaly.keeper.checks import DISK, KAPACITOR, MODEL, MODEL_FILE, TASK, UDF, Finding

SECOND = 1_000_000_000


def told(alarms: Alarms, *looks: tuple[int, list[Finding]]) -> list[tuple[int, str, str]]:
    """The second, level and text of each message after these looks: second and findings."""
    return [
        (second, message.level, message.text)
        for second, found in looks
        for message in alarms.look(found, second * SECOND)
    ]


def ended(text: str = "it has ended") -> list[Finding]:
    return [Finding(TASK, "printer", ok=False, text=text), Finding(UDF, "printer", ok=True)]


WELL = [Finding(TASK, "printer", ok=True), Finding(UDF, "printer", ok=True)]
UNKNOWN = [Finding(TASK, "printer", ok=None), Finding(UDF, "printer", ok=None)]


def test_an_outage_is_told_once_when_it_lasts_and_once_when_it_is_over() -> None:
    looks = [(second, ended()) for second in range(100, 200, 5)] + [(second, WELL) for second in range(200, 400, 5)]
    assert told(Alarms(), *looks) == [
        (160, "CRITICAL", "detection is down (pipeline printer): it has ended"),
        (285, "OK", "detection is back (pipeline printer), it was down for 95 s: it has ended"),
    ]


def test_an_outage_that_is_mended_within_a_minute_is_told_when_it_is_over() -> None:
    looks = [(100, ended()), (110, ended()), (115, WELL), (199, WELL), (200, WELL), (205, WELL)]
    assert told(Alarms(), *looks) == [
        (200, "INFO", "detection was down for 10 s and is back (pipeline printer): it has ended")
    ]


def test_what_comes_and_goes_is_one_outage() -> None:
    looks = [(second, ended() if second % 60 == 0 else WELL) for second in range(60, 400, 5)]
    assert [(second, level) for second, level, _ in told(Alarms(), *looks)] == [(120, "CRITICAL")]


def test_what_cannot_be_known_neither_begins_nor_ends_an_outage() -> None:
    alarms = Alarms()
    looks = [(0, ended()), (60, ended()), (70, UNKNOWN), (500, UNKNOWN), (501, WELL)]
    assert [level for _, level, _ in told(alarms, *looks)] == ["CRITICAL", "OK"]
    assert told(Alarms(), (0, UNKNOWN), (500, UNKNOWN)) == []


def test_the_stack_and_each_pipeline_are_told_by_themselves() -> None:
    gone = [Finding(KAPACITOR, "", ok=False, text="gone"), *UNKNOWN]
    alarms = Alarms()
    alarms.look(gone, 0)
    (message,) = alarms.look(gone, 60 * SECOND)
    assert message == KeeperMessage("detection kapacitor", "CRITICAL", "OK", 0, "detection is down (kapacitor): gone")


def test_a_restart_neither_repeats_nor_forgets() -> None:
    alarms = Alarms()
    told(alarms, (0, ended()), (60, ended()))
    again = Alarms()
    again.restore(json.loads(json.dumps(alarms.state())))
    looks = [(65, ended()), (70, WELL), (155, WELL), (160, WELL)]
    assert told(again, *looks) == [
        (155, "OK", "detection is back (pipeline printer), it was down for 65 s: it has ended")
    ]


def test_what_does_not_stop_detection_is_a_warning_of_its_own() -> None:
    full = [*WELL, Finding(DISK, "", ok=False, text="it is full")]
    room = [*WELL, Finding(DISK, "", ok=True)]
    alarms = Alarms()
    assert told(alarms, (0, full), (60, full)) == [(60, "WARNING", "attention (disk): it is full")]
    assert alarms.down == []
    assert told(alarms, (65, room), (150, room)) == [(150, "OK", "over after 60 s (disk): it is full")]
    assert told(alarms, (200, full), (210, room), (290, room)) == [
        (290, "INFO", "over after 1 s (disk): it is full"),
    ]


def test_what_is_down_is_known_from_when_it_is_told_until_it_is_back() -> None:
    alarms = Alarms()
    down = []
    for second, found in ((0, ended()), (59, ended()), (60, ended()), (70, WELL), (149, WELL), (150, WELL)):
        alarms.look(found, second * SECOND)
        down.append(alarms.down)
    assert down == [[], [], ["it has ended"], ["it has ended"], ["it has ended"], []]


def test_a_pipeline_that_is_taken_away_is_no_outage_any_more() -> None:
    alarms = Alarms()
    assert told(alarms, (0, ended()), (60, []), (500, [])) == []
    assert alarms.outages == {}


def test_a_clock_that_is_set_back_neither_keeps_an_outage_nor_its_end() -> None:
    looks = [(10_000, ended()), (100, ended()), (160, ended()), (165, WELL), (250, WELL)]
    assert [(second, level) for second, level, _ in told(Alarms(), *looks)] == [(160, "CRITICAL"), (250, "OK")]
    looks = [(10_000, ended()), (10_060, ended()), (100, WELL), (190, WELL)]
    assert [(second, level) for second, level, _ in told(Alarms(), *looks)] == [(10_060, "CRITICAL"), (190, "OK")]


def test_a_damaged_model_is_a_warning_while_it_scores_from_memory_and_an_outage_afterwards() -> None:
    in_memory = [*WELL, Finding(MODEL, "printer", ok=True), Finding(MODEL_FILE, "printer", ok=False, text="damaged")]
    in_none = [*WELL, Finding(MODEL, "printer", ok=False, text="damaged"), Finding(MODEL_FILE, "printer", ok=None)]
    back = [*WELL, Finding(MODEL, "printer", ok=True), Finding(MODEL_FILE, "printer", ok=True)]
    alarms = Alarms()

    looks = [(0, in_memory), (60, in_memory), (70, in_none), (130, in_none), (140, back), (220, back)]

    assert told(alarms, *looks[:2]) == [(60, "WARNING", "attention (model_file printer): damaged")]
    assert alarms.down == []
    assert told(alarms, *looks[2:]) == [
        (130, "CRITICAL", "detection is down (pipeline printer): damaged"),
        (220, "OK", "over after 60 s (model_file printer): damaged"),
        (220, "OK", "detection is back (pipeline printer), it was down for 60 s: damaged"),
    ]
