"""A console as a process."""

from daemons.daemon import Daemon


class ConsoleProcess(Daemon):
    """`anomaly console` as a process.

    Attributes:
        url: where it serves.
    """

    def started(self) -> None:
        """Wait until it serves, and learn where."""
        self.url = self.wait_for_log("the console serves").rpartition(" ")[2]
