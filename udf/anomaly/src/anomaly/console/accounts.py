"""Who may come in, and how often somebody may be wrong."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from anomaly.console.settings import Account

# This many wrong passwords are taken in this time: from one address, and from all together.
FAILURES_OF_AN_ADDRESS = 10
FAILURES_OF_ALL = 100
FAILURE_SECONDS = 300.0
# So long a browser stays logged in.
SESSION_SECONDS = 7 * 24 * 3_600
# The most addresses that are remembered.
_MOST_ADDRESSES = 1_000


class TooManyFailures(Exception):
    """There were too many wrong passwords lately.

    Attributes:
        seconds: after this many seconds it may be tried again.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"There were too many wrong passwords. Try again in {seconds} seconds.")
        self.seconds = seconds


class Accounts:
    """The users, with a bounded rate of failures."""

    def __init__(
        self, accounts: Mapping[str, Account], secret: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare the accounts.

        Args:
            accounts: the users by name.
            secret: what the marks of passwords are made with.
            clock: the time in seconds.
        """
        self._accounts = accounts
        self._secret = secret.encode()
        self._clock = clock
        self._of_all: list[float] = []
        # The sessions that were ended, and when their cookies would have.
        self._ended: dict[str, float] = {}
        self._of_address: OrderedDict[str, list[float]] = OrderedDict()

    def log_in(self, name: str, password: str, address: str) -> Account | None:
        """Return the account of a name and its password; None if they do not fit.

        Args:
            name: the name that was given.
            password: the password that was given.
            address: where the request comes from.

        Raises:
            TooManyFailures: there were too many wrong passwords.
        """
        self._refuse_too_many(address)
        account = self._accounts.get(name)
        # An unknown name takes as long as a wrong password.
        expected = account.password if account is not None else "unknown"
        fits = hmac.compare_digest(_digest(password), _digest(expected))
        if account is not None and fits:
            self._of_address.pop(address, None)
            return account
        now = self._clock()
        self._of_all.append(now)
        self._of_address.setdefault(address, []).append(now)
        self._of_address.move_to_end(address)
        while len(self._of_address) > _MOST_ADDRESSES:
            self._of_address.popitem(last=False)
        return None

    def begin_session(self, account: Account) -> dict[str, str]:
        """Return what a new session keeps; it ends when the account's password changes."""
        return {"user": account.name, "mark": self._mark(account), "id": secrets.token_urlsafe(16)}

    def end_session(self, session: Mapping[str, Any]) -> None:
        """End a session before its cookie does."""
        if self.of_session(session) is None:
            return
        now = self._clock()
        self._ended = {name: until for name, until in self._ended.items() if until > now}
        self._ended[session["id"]] = now + SESSION_SECONDS

    def of_session(self, session: Mapping[str, Any]) -> Account | None:
        """Return the account of a session; None if it has ended, or the account is gone or has another password."""
        name, mark, number = (session.get(key) for key in ("user", "mark", "id"))
        account = self._accounts.get(name) if isinstance(name, str) else None
        if account is None or not isinstance(mark, str) or not isinstance(number, str) or number in self._ended:
            return None
        return account if hmac.compare_digest(self._mark(account).encode(), mark.encode()) else None

    def _mark(self, account: Account) -> str:
        text = f"{account.name}\n{account.password}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()[:32]

    def _refuse_too_many(self, address: str) -> None:
        since = self._clock() - FAILURE_SECONDS
        self._of_all = [each for each in self._of_all if each > since]
        of_address = self._of_address[address] = [each for each in self._of_address.get(address, []) if each > since]
        if not of_address:
            del self._of_address[address]
        for failures, most in ((of_address, FAILURES_OF_AN_ADDRESS), (self._of_all, FAILURES_OF_ALL)):
            if len(failures) >= most:
                raise TooManyFailures(int(failures[-most] - since) + 1)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
