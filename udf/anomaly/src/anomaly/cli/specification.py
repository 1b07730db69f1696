"""A specification that may be replaced while a command runs."""

from pathlib import Path

from anomaly.cli.common import UsageError, read_pipelines, say
from anomaly.pipeline import Pipeline, SpecError


class FollowedSpecification:
    """The enabled pipelines of a file that may be replaced at any time."""

    def __init__(self, name: str, who: str) -> None:
        """Read the file for the first time.

        Args:
            name: the file.
            who: the program, for messages, such as `the keeper`.

        Raises:
            SpecError: the specification is not valid.
            UsageError: the file cannot be read.
        """
        self._name = name
        self._who = who
        self._signature = self._sign()
        self._pipelines = self._read()
        self._error = ""

    def __call__(self) -> tuple[Pipeline, ...]:
        """Return the pipelines; those before where the file cannot be used, which is said once."""
        signature = self._sign()
        if signature != self._signature:
            try:
                self._pipelines = self._read()
                self._signature = signature
                self._error = ""
            except (SpecError, UsageError) as error:
                if str(error) != self._error:
                    self._error = str(error)
                    say(f"anomaly: {error}; {self._who} goes on with the pipelines before")
        return self._pipelines

    def _sign(self) -> tuple[int, int, int] | None:
        try:
            status = Path(self._name).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> tuple[Pipeline, ...]:
        return tuple(pipeline for pipeline in read_pipelines(self._name) if pipeline.enabled)
