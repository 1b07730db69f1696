"""The silence of a whole pipeline: who is told, and when."""

import json

from anomaly.scoring.notices import Notice
from anomaly.scoring.periods import NO_DATA, Period
from anomaly.scoring.silence import JointSilence, Told
from anomaly.windows.arrays import Key

W = 10
SILENCE = 6 * W
LIVE = [("a",), ("b",), ("c",)]


def silence(begin_ns: int) -> Period:
    return Period(begin_ns, begin_ns + SILENCE, "open", 0.0, 0.0, 0, NO_DATA)


def look(joint: JointSilence, now_ns: int, new: dict[str, int], lasting: dict[str, int], *, late: bool = False) -> Told:
    """Series by name with the begins of their silences."""
    opened: list[tuple[Key, Period]] = [((name,), silence(begin)) for name, begin in new.items()]
    all_of_them: dict[Key, Period] = {(name,): silence(begin) for name, begin in {**lasting, **new}.items()}
    return joint.look(opened, all_of_them, LIVE, are_others_late=late, now_ns=now_ns)


def test_one_of_several_is_told_by_itself() -> None:
    told = look(JointSilence(SILENCE), 100, {"a": 10}, {})
    assert told == Told(alone=[(("a",), silence(10))])


def test_all_at_once_are_one_notice() -> None:
    told = look(JointSilence(SILENCE), 100, {"a": 10, "b": 20, "c": 10}, {})
    assert [key for key, _ in told.joint] == LIVE
    assert told.alone == []
    assert told.notice == Notice("silence", 20, 100, "open", "all 3 series", 3)


def test_the_first_ones_wait_for_a_window_if_all_others_are_about_to_follow() -> None:
    joint = JointSilence(SILENCE)
    assert look(joint, 100, {"a": 10, "b": 10}, {}, late=True) == Told()
    told = look(joint, 110, {"c": 20}, {"a": 10, "b": 10})
    assert [key for key, _ in told.joint] == LIVE
    assert told.notice is not None


def test_what_waited_is_told_by_itself_if_another_series_went_on() -> None:
    joint = JointSilence(SILENCE)
    look(joint, 100, {"a": 10}, {}, late=True)
    told = look(joint, 110, {}, {"a": 10})
    assert told == Told(alone=[(("a",), silence(10))])


def test_the_last_one_to_fall_silent_makes_it_a_notice_and_nobody_is_told_twice() -> None:
    joint = JointSilence(SILENCE)
    look(joint, 100, {"a": 10}, {})
    told = look(joint, 200, {"b": 110, "c": 110}, {"a": 10})
    assert [key for key, _ in told.joint] == [("b",), ("c",)]
    assert [joint.covers(key) for key in LIVE] == [False, True, True]
    assert look(joint, 300, {}, {"a": 10, "b": 110, "c": 110}) == Told()


def test_the_first_series_that_comes_back_closes_the_notice() -> None:
    joint = JointSilence(SILENCE)
    look(joint, 100, {"a": 10, "b": 10, "c": 10}, {})
    assert joint.woke(("b",), 150) == Notice("silence", 10, 150, "closed", "all 3 series", 3)
    assert joint.woke(("c",), 150) is None


def test_who_does_not_come_back_with_the_others_is_told_after_another_silence() -> None:
    joint = JointSilence(SILENCE)
    look(joint, 100, {"a": 10, "b": 10, "c": 10}, {})
    joint.woke(("b",), 150)
    joint.woke(("c",), 150)
    assert look(joint, 150 + SILENCE, {}, {"a": 10}) == Told()
    assert look(joint, 150 + SILENCE + W, {}, {"a": 10}) == Told(alone=[(("a",), silence(10))])
    assert look(joint, 150 + SILENCE + 2 * W, {}, {"a": 10}) == Told()


def test_a_pipeline_of_one_series_has_no_notice() -> None:
    told = JointSilence(SILENCE).look(
        [(("a",), silence(10))], {("a",): silence(10)}, [("a",)], are_others_late=True, now_ns=100
    )
    assert told == Told(alone=[(("a",), silence(10))])


def test_a_state_goes_on_in_the_middle_of_a_notice() -> None:
    joint = JointSilence(SILENCE)
    look(joint, 100, {"a": 10, "b": 10, "c": 10}, {})
    resumed = JointSilence(SILENCE)
    resumed.restore(json.loads(json.dumps(joint.state())))
    assert resumed.covers(("a",))
    assert resumed.woke(("b",), 150) == joint.woke(("b",), 150)
    assert resumed.state() == joint.state()
