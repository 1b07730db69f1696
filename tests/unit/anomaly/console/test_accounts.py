"""Users: passwords, the rate of failures, and sessions that end with a password."""

import pytest

from anomaly.console.accounts import (
    FAILURE_SECONDS,
    FAILURES_OF_ALL,
    FAILURES_OF_AN_ADDRESS,
    SESSION_SECONDS,
    Accounts,
    TooManyFailures,
)
from anomaly.console.settings import OPERATOR, VIEWER, Account

OTTO = Account("otto", OPERATOR, "pass word")


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(clock: Clock) -> Accounts:
    return Accounts({"otto": OTTO}, "secret", clock)


def test_a_name_with_its_password_comes_in(accounts: Accounts) -> None:
    assert accounts.log_in("otto", "pass word", "a") is OTTO
    assert accounts.log_in("otto", "password", "a") is None
    assert accounts.log_in("unknown", "unknown", "a") is None


def test_one_address_has_few_failures(accounts: Accounts, clock: Clock) -> None:
    for _ in range(FAILURES_OF_AN_ADDRESS):
        accounts.log_in("otto", "wrong", "a")

    with pytest.raises(TooManyFailures) as refused:
        accounts.log_in("otto", "pass word", "a")

    assert refused.value.seconds == FAILURE_SECONDS + 1
    assert accounts.log_in("otto", "pass word", "b") is OTTO
    clock.now += FAILURE_SECONDS
    assert accounts.log_in("otto", "pass word", "a") is OTTO


def test_all_addresses_together_have_bounded_failures(accounts: Accounts) -> None:
    for number in range(FAILURES_OF_ALL):
        accounts.log_in("otto", "wrong", str(number))

    with pytest.raises(TooManyFailures):
        accounts.log_in("otto", "pass word", "another")


def test_a_success_forgives_the_failures_of_its_address(accounts: Accounts) -> None:
    for _ in range(3 * FAILURES_OF_AN_ADDRESS):
        accounts.log_in("otto", "wrong", "a")
        found = accounts.log_in("otto", "pass word", "a")

    assert found is OTTO


def test_a_session_ends_with_the_password_or_the_account(accounts: Accounts) -> None:
    session = accounts.begin_session(OTTO)
    changed = Accounts({"otto": Account("otto", VIEWER, "another")}, "secret")

    assert accounts.of_session(session) is OTTO
    assert changed.of_session(session) is None
    assert Accounts({}, "secret").of_session(session) is None
    assert accounts.of_session({**session, "mark": None}) is None
    assert accounts.of_session({}) is None


def test_a_session_that_was_ended_does_not_begin_again(accounts: Accounts, clock: Clock) -> None:
    session, other = accounts.begin_session(OTTO), accounts.begin_session(OTTO)

    accounts.end_session(session)
    accounts.end_session({"id": "forged"})
    clock.now += SESSION_SECONDS - 1
    accounts.end_session(accounts.begin_session(OTTO))

    assert accounts.of_session(session) is None
    assert accounts.of_session(other) is OTTO
