import pytest

from kapacitor_udf._life import TABLE, Life, LifeState, Said


def test_every_state_has_its_row_and_closed_is_the_end() -> None:
    assert set(TABLE) == set(LifeState)
    assert TABLE[LifeState.CLOSED] == {}
    assert all(
        TABLE[state][Said.NOTHING_MORE] is LifeState.CLOSED for state in LifeState if state is not LifeState.CLOSED
    )


def test_data_is_said_only_while_running() -> None:
    assert [state for state in LifeState if Said.DATA in TABLE[state]] == [LifeState.RUNNING]


def test_a_whole_life_ends_closed() -> None:
    life = Life()
    for said in (Said.INFO, Said.INIT_OK, Said.RESTORED, Said.DATA, Said.SNAPSHOT, Said.NOTHING_MORE):
        life.says(said)
    assert life.state is LifeState.CLOSED


@pytest.mark.parametrize(
    "before, then",
    [
        ([], Said.DATA),
        ([Said.INIT_OK], Said.INIT_OK),
        ([Said.INIT_FAILED], Said.SNAPSHOT),
        ([Said.INIT_FAILED], Said.DATA),
        ([Said.INIT_OK, Said.NOTHING_MORE], Said.DATA),
    ],
)
def test_an_answer_that_means_nothing_raises(before: list[Said], then: Said) -> None:
    life = Life()
    for said in before:
        life.says(said)
    with pytest.raises(RuntimeError, match="cannot be said"):
        life.says(then)
