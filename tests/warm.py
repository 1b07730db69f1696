"""A process in which pytest and the libraries are loaded already, and which runs tests in forks of itself.

`scripts/mutation` runs the same tests hundreds of times. A process that starts anew takes longer for its imports and
for the models that its tests train than for the tests. Here both happen once. A run that learns is one on code as it
is: what it imported of others' is imported into the server, what it trained is kept by what it was trained with, and
how long it took limits later runs. Those keep nothing, as they may be on changed code.

`python tests/warm.py serve SOCKET` serves one run at a time, until its standard input ends. So it ends with the process
that started it with a pipe, and kills the run under way. `python tests/warm.py learn SOCKET TEST ...` and
`python tests/warm.py run SOCKET TEST ...` ask for one, print its output, and end as it ended. Who asked and died has
the run killed.
"""

import contextlib
import os
import socket
import sys
from pathlib import Path

# What the tests of mutants must load from their files.
OURS = ("anomaly", "tests", "kapacitor_udf", "udf", "conftest", "__main__")
# A run may take this much processor time: some seconds, and this many times what the last one took that learnt, which
# imported and trained more.
LEAST_CPU_S = 20
CPU_FACTOR = 3
# How many examples hypothesis tries where a test does not say.
EXAMPLES = 25
# A mutant that fills its memory without an end must not take the machine's. Data are limited, as the address space of
# the tests of takeovers grows to 11 GiB while they use 5.
MEMORY_BYTES = 8 << 30


def ask(path: str, words: list[str]) -> int:
    """Have the server at a socket learn or run tests, the first word says which, and return pytest's exit code."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall("\0".join(words).encode() + b"\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    output, _, code = answer.rpartition(b"\n")
    sys.stdout.buffer.write(output)
    return int(code)


def serve(path: str) -> None:
    """Run the tests that are asked for, one after the other, until the standard input ends."""
    import pickle
    import resource
    import select
    import signal
    import tempfile

    limit_s = 0
    models: dict[str, bytes] = {}
    with socket.socket(socket.AF_UNIX) as listener, tempfile.TemporaryDirectory() as folder:
        listener.bind(path)
        listener.listen()
        learnt = Path(folder, "learnt")
        while 0 not in select.select([listener.fileno(), 0], [], [])[0]:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                mode, *tests = lines.readline().decode().rstrip("\n").split("\0")
                learns = mode == "learn"
                process = os.fork()
                if not process:
                    listener.close()
                    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
                    if limit_s and not learns:
                        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
                    os.dup2(connection.fileno(), 1)
                    os.dup2(connection.fileno(), 2)
                    try:
                        code = run(tests, models, learnt if learns else None)
                    # A fork must never go on as the server.
                    except BaseException as error:
                        print(f"{type(error).__name__}: {error}", flush=True)
                        code = 1
                    os._exit(code)
                descriptor = os.pidfd_open(process)
                is_over = descriptor in select.select([connection.fileno(), descriptor, 0], [], [])[0]
                if not is_over:
                    os.kill(process, signal.SIGKILL)
                os.close(descriptor)
                _, status, usage = os.wait4(process, 0)
                code = os.waitstatus_to_exitcode(status)
                if learns and code == 0:
                    limit_s = LEAST_CPU_S + int(CPU_FACTOR * (usage.ru_utime + usage.ru_stime))
                    names, models = pickle.loads(learnt.read_bytes())
                    load(names)
                # Who asked may have gone meanwhile.
                with contextlib.suppress(OSError):
                    connection.sendall(f"\n{code if code >= 0 else 1}".encode())


def run(tests: list[str], models: dict[str, bytes], learnt: Path | None) -> int:
    """Run tests, and return pytest's exit code.

    Args:
        tests: what pytest is asked for.
        models: the models that earlier runs trained, by what they were trained with.
        learnt: takes the names of the modules that were imported, and the models; None: nothing is kept.
    """
    import hashlib
    import pickle
    from functools import wraps
    from typing import Any

    import pytest

    from anomaly.training import fit

    train = fit.train

    @wraps(train)
    def train_once(*arguments: Any, **more: Any) -> Any:
        try:
            key = hashlib.sha256(pickle.dumps((arguments, sorted(more.items())))).hexdigest()
        except (AttributeError, TypeError, pickle.PicklingError):
            return train(*arguments, **more)
        if key in models:
            return pickle.loads(models[key])
        trained = train(*arguments, **more)
        if learnt is not None:
            models[key] = pickle.dumps(trained)
        return trained

    fit.train = train_once
    code = int(pytest.main(["-q", "-x", *tests], plugins=[FewExamples()]))
    if learnt is not None and code == 0:
        learnt.write_bytes(pickle.dumps((sorted(sys.modules), models)))
    sys.stdout.flush()
    sys.stderr.flush()
    return code


class FewExamples:
    """Has hypothesis try a few examples, the same ones in each run, after what loaded a profile of its own."""

    def pytest_collection(self) -> None:
        from hypothesis import settings

        settings.register_profile("mutants", settings(), max_examples=EXAMPLES, derandomize=True, database=None)
        settings.load_profile("mutants")


def load(names: list[str]) -> None:
    """Import others' modules, so that forks need not."""
    import importlib

    for name in names:
        if name.partition(".")[0] not in OURS:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


if __name__ == "__main__":
    command, address, *names = sys.argv[1:]
    if command == "serve":
        serve(address)
    else:
        sys.exit(ask(address, [command, *names]))
