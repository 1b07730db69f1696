"""The faults: each breaks one part of the stack, and takes back at its end what would not end by itself.

A fault without a length happens at once, such as a kill, or takes as long as it needs; the stack has to mend what it
leaves. One with a length begins, lasts and ends, such as a network that is cut.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from anomaly.influxdb.influxql import identifier
from tests.faults import answers
from tests.faults.deployed import PIPELINE, ROOT, VOLUMES, Deployed
from tests.integration.influx import InfluxError
from tests.integration.waiting import wait_for

Break = Callable[[Deployed], AbstractContextManager[None]]
_MINUTE_S = 60.0
# A UDF writes its first state file within this time of its start.
_STATE_S = 150.0
# After an outage a UDF takes no shorter pause for another one, for some minutes (anomaly.windows.interruption).
_UNNOTICED_S = 60.0
# A fifth of what the stream needs.
_SLOW = "256kbit"
_INFLUXDB_PORT = 8086
# Where what stands in for InfluxDB listens, in the network of InfluxDB's container.
_STAND_IN_PORT = 18086
# What a UDF whose memory is at its limit may still take.
_LITTLE_BYTES = 4 * 2**20


def _always(deployed: Deployed) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault.

    Attributes:
        text: what happens, for people.
        begin: begins it; the end of the context ends it.
        seconds: how long it lasts by default; None: it happens at once, or takes as long as it needs.
        by_hand: what a person does at its end, because the stack promises no recovery without that; empty: nothing.
        kills_kapacitor: whether kapacitord may have told an alert without having kept that.
        loses_levels: whether Kapacitor forgets what it has told.
        is_mended: whether the stack has mended what it broke, where scores alone do not show that.
    """

    text: str
    begin: Break
    seconds: float | None = None
    by_hand: str = ""
    kills_kapacitor: bool = False
    loses_levels: bool = False
    is_mended: Callable[[Deployed], bool] = _always


def _killed(*programs: str) -> Break:
    """Return a fault that ends programs without a warning, all of them before any can be started again."""

    @contextmanager
    def begin(deployed: Deployed) -> Iterator[None]:
        for program in programs:
            deployed.send(program, signal.SIGKILL)
        yield

    return begin


def _stopped(program: str) -> Break:
    """Return a fault that stops a program without ending it."""

    @contextmanager
    def begin(deployed: Deployed) -> Iterator[None]:
        stopped = deployed.processes(program)
        deployed.send(program, signal.SIGSTOP)
        yield
        # Whoever was killed or started again meanwhile is not stopped any more.
        if set(stopped) & set(deployed.processes(program)):
            deployed.send(program, signal.SIGCONT)

    return begin


def _restarted(service: str) -> Break:
    """Return `docker restart` of a service."""

    @contextmanager
    def begin(deployed: Deployed) -> Iterator[None]:
        deployed.stack.container(service).restart()
        yield

    return begin


@contextmanager
def _rebooted(deployed: Deployed) -> Iterator[None]:
    """Everything is killed and started again; the address of InfluxDB is there last."""
    influxdb = deployed.stack.container("influxdb")
    for program in ("influxdb", "kapacitord", "keeper"):
        deployed.send(program, signal.SIGKILL, must_run=False)
    # The engine takes the address of a container that it was told to stop out of its names.
    influxdb.stop(timeout=0)
    yield
    influxdb.start()


def _cut(service: str) -> Break:
    """Return a fault that lets no packet into a container or out of it."""

    @contextmanager
    def begin(deployed: Deployed) -> Iterator[None]:
        rules = [("INPUT", "!", "-i", "lo", "-j", "DROP"), ("OUTPUT", "!", "-o", "lo", "-j", "DROP")]
        with _rules(deployed, service, "filter", rules):
            yield

    return begin


@contextmanager
def _rules(deployed: Deployed, service: str, table: str, rules: Sequence[tuple[str, ...]]) -> Iterator[None]:
    """Add rules of iptables to a container's network, and remove them at the end."""
    process = deployed.main_process(service)
    for rule in rules:
        deployed.inside(service, "iptables", "-w", "-t", table, "-A", *rule)
    yield
    # The network of a container that was started again is a new one, without rules.
    if deployed.main_process(service) == process:
        for rule in rules:
            deployed.inside(service, "iptables", "-w", "-t", table, "-D", *rule)


def _slow(service: str) -> Break:
    """Return a fault that lets little out of a container."""

    @contextmanager
    def begin(deployed: Deployed) -> Iterator[None]:
        process = deployed.main_process(service)
        limit = ("root", "tbf", "rate", _SLOW, "burst", "16kb", "latency", "400ms")
        deployed.inside(service, "tc", "qdisc", "add", "dev", "eth0", *limit)
        yield
        if deployed.main_process(service) == process:
            deployed.inside(service, "tc", "qdisc", "del", "dev", "eth0", "root")

    return begin


def _answering(answer: str) -> Break:
    """Return a fault in which every request to InfluxDB gets this answer from something that stands in for it."""

    @contextmanager
    def begin(deployed: Deployed) -> Iterator[None]:
        command = [sys.executable, "-m", answers.__name__, str(_STAND_IN_PORT), answer]
        process = deployed.main_process("influxdb")
        with ExitStack() as undo:
            stand_in = undo.enter_context(
                subprocess.Popen(
                    ["nsenter", "--target", str(process), "--net", *command], stdout=subprocess.PIPE, cwd=ROOT
                )
            )
            undo.callback(stand_in.kill)
            assert stand_in.stdout
            assert stand_in.stdout.readline().decode().strip() == answers.READY
            asked = ("-p", "tcp", "--dport", str(_INFLUXDB_PORT), "!", "-i", "lo")
            # Connections from before are ended, because only new ones are led elsewhere.
            ended = ("INPUT", *asked, "-j", "REJECT", "--reject-with", "tcp-reset")
            led = ("PREROUTING", *asked, "-j", "REDIRECT", "--to-ports", str(_STAND_IN_PORT))
            undo.enter_context(_rules(deployed, "influxdb", "nat", [led]))
            undo.enter_context(_rules(deployed, "influxdb", "filter", [ended]))
            yield

    return begin


def _full(volume: str) -> Break:
    """Return a fault in which nothing is left of a volume: it is made as small as what is in it."""

    @contextmanager
    def begin(deployed: Deployed) -> Iterator[None]:
        status = os.statvfs(deployed.data(volume))
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        _remount(deployed.data(volume), f"size={used}")
        yield
        _remount(deployed.data(volume), f"size={VOLUMES[volume]}m")

    return begin


def _remount(folder: Path, options: str) -> None:
    command = ["mount", "-o", f"remount,{options}", str(folder)]
    # A volume that somebody writes to at this moment does not become read-only.
    wait_for(lambda: subprocess.run(command, check=False).returncode == 0, " ".join(command), seconds=30)


@contextmanager
def _state_read_only(deployed: Deployed) -> Iterator[None]:
    """The UDF is killed, and the next one cannot write its state."""
    # While a UDF lives, it keeps the file of its closings open, and the volume cannot become read-only.
    deployed.send("udf", signal.SIGKILL)
    _remount(deployed.data("state"), "ro")
    yield
    _remount(deployed.data("state"), "rw")


@contextmanager
def _influxdb_read_only(deployed: Deployed) -> Iterator[None]:
    """InfluxDB comes up on a file system that takes nothing, as after an error of the disk."""
    influxdb = deployed.stack.container("influxdb")
    influxdb.stop(timeout=0)
    _remount(deployed.data("influxdb"), "ro")
    influxdb.start()
    yield
    # A file that is open for writing would keep it read-only.
    _remount(deployed.data("influxdb"), "rw")


def _damaged_state(damage: Callable[[Path], None]) -> Break:
    """Return a fault that damages the state file, and kills the UDF before it writes the next one."""

    @contextmanager
    def begin(deployed: Deployed) -> Iterator[None]:
        file = deployed.data("state") / f"{PIPELINE.name}.npz"
        # A UDF that was started a moment ago has not written it yet.
        wait_for(file.exists, f"the state file {file}", seconds=_STATE_S, explain=deployed.stack.logs)
        damage(file)
        deployed.send("udf", signal.SIGKILL)
        yield

    return begin


def _damaged_model(damage: Callable[[Path], None]) -> Break:
    """Return a fault that damages the model's file, and kills the UDF that has it in memory.

    A person brings the file back at the end, because a model that nobody may train anew is in no other place.
    """

    @contextmanager
    def begin(deployed: Deployed) -> Iterator[None]:
        path = deployed.data("models") / PIPELINE.name / deployed.model.version / "model.npz"
        content, status = path.read_bytes(), path.stat()
        damage(path)
        deployed.send("udf", signal.SIGKILL)
        yield
        draft = path.with_suffix(".again")
        draft.write_bytes(content)
        os.chown(draft, status.st_uid, status.st_gid)
        draft.replace(path)

    return begin


def _cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _tampered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@contextmanager
def _out_of_memory(deployed: Deployed) -> Iterator[None]:
    """The UDF has taken all the memory that it may have, as if it had leaked: what it asks for is refused."""
    limited = deployed.processes("udf")
    for process in limited:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[0])
        _limit_memory(process, str(pages * os.sysconf("SC_PAGE_SIZE") + _LITTLE_BYTES))
    yield
    for process in set(limited) & set(deployed.processes("udf")):
        _limit_memory(process, "unlimited")


def _limit_memory(process: int, limit: str) -> None:
    """Change the soft limit as the user of the process, which needs no capability."""
    owner = Path(f"/proc/{process}").stat()
    as_owner = ["setpriv", "--reuid", str(owner.st_uid), "--regid", str(owner.st_gid), "--clear-groups"]
    subprocess.run([*as_owner, "prlimit", "--pid", str(process), f"--as={limit}:"], check=True)


@contextmanager
def _tasks_lost(deployed: Deployed) -> Iterator[None]:
    """The database of Kapacitor is gone, with its tasks and its users; only the controller has them, too."""
    kapacitor = deployed.stack.container("kapacitor")
    kapacitor.stop(timeout=0)
    (deployed.data("kapacitor") / "kapacitor.db").unlink()
    kapacitor.start()
    yield
    deployed.stack.play("site").succeeded()


@contextmanager
def _subscription_dropped(deployed: Deployed) -> Iterator[None]:
    """InfluxDB forwards no points any more, because it has forgotten to whom.

    Kapacitor hangs meanwhile: it would make the subscription anew before the UDF takes the pause for an outage.
    """
    influx = deployed.stack.influx()
    for subscription in wait_for(lambda: influx.subscriptions().get(PIPELINE.database, []), "the subscription"):
        place = f"{identifier(PIPELINE.database)}.{identifier(subscription['retention_policy'])}"
        influx.query(f"DROP SUBSCRIPTION {identifier(subscription['name'])} ON {place}")
    with _stopped("kapacitord")(deployed):
        threading.Event().wait(_UNNOTICED_S)
    yield


def _has_subscription(deployed: Deployed) -> bool:
    """Return whether InfluxDB forwards points; catch-ups hide that it does not."""
    try:
        return PIPELINE.database in deployed.stack.influx().subscriptions()
    except (InfluxError, requests.exceptions.RequestException):
        return False


FAULTS: dict[str, Fault] = {
    "udf_killed": Fault("SIGKILL of the UDF", _killed("udf")),
    "kapacitord_killed": Fault("SIGKILL of kapacitord", _killed("kapacitord"), kills_kapacitor=True),
    "influxdb_killed": Fault("SIGKILL of InfluxDB", _killed("influxdb")),
    "keeper_killed": Fault("SIGKILL of the keeper", _killed("keeper")),
    "keeper_and_udf_killed": Fault("SIGKILL of the keeper and the UDF", _killed("keeper", "udf")),
    "udf_stopped": Fault("SIGSTOP of the UDF", _stopped("udf"), _MINUTE_S),
    "kapacitord_stopped": Fault("SIGSTOP of kapacitord", _stopped("kapacitord"), _MINUTE_S),
    "influxdb_stopped": Fault("SIGSTOP of InfluxDB", _stopped("influxdb"), _MINUTE_S),
    "keeper_stopped": Fault("SIGSTOP of the keeper", _stopped("keeper"), _MINUTE_S),
    "kapacitor_restarted": Fault("docker restart of Kapacitor", _restarted("kapacitor")),
    "influxdb_restarted": Fault("docker restart of InfluxDB", _restarted("influxdb")),
    "keeper_restarted": Fault("docker restart of the keeper", _restarted("keeper")),
    "host_rebooted": Fault("reboot, InfluxDB's address comes last", _rebooted, 30.0, kills_kapacitor=True),
    "influxdb_cut": Fault("no network at InfluxDB", _cut("influxdb"), 30.0),
    "kapacitor_cut": Fault("no network at Kapacitor", _cut("kapacitor"), 30.0),
    "keeper_cut": Fault("no network at the keeper", _cut("keeper"), 30.0),
    "influxdb_slow": Fault(f"network at {_SLOW}/s from InfluxDB", _slow("influxdb"), 30.0),
    "kapacitor_slow": Fault(f"network at {_SLOW}/s from Kapacitor", _slow("kapacitor"), 30.0),
    "influxdb_500": Fault("InfluxDB answers 500", _answering("500"), 30.0),
    "influxdb_503": Fault("InfluxDB answers 503", _answering("503"), 30.0),
    "influxdb_silent": Fault("InfluxDB never answers", _answering(answers.NEVER), 40.0),
    "influxdb_full": Fault("InfluxDB's volume is full", _full("influxdb"), 30.0),
    "influxdb_read_only": Fault("InfluxDB's volume is read-only", _influxdb_read_only, 20.0),
    "state_full": Fault("the volume of the state is full", _full("state"), _MINUTE_S),
    "state_read_only": Fault("the volume of the state is read-only, UDF killed", _state_read_only, _MINUTE_S),
    "state_deleted": Fault("state file deleted, UDF killed", _damaged_state(Path.unlink)),
    "state_truncated": Fault("state file cut off, UDF killed", _damaged_state(_cut_off)),
    "state_tampered": Fault("state file tampered with, UDF killed", _damaged_state(_tampered)),
    "model_deleted": Fault("model deleted, UDF killed", _damaged_model(Path.unlink), 20.0, "brings the model back"),
    "model_truncated": Fault("model cut off, UDF killed", _damaged_model(_cut_off), 20.0, "brings the model back"),
    "model_tampered": Fault(
        "model tampered with, UDF killed", _damaged_model(_tampered), 20.0, "brings the model back"
    ),
    "udf_out_of_memory": Fault("the UDF's memory is at its limit", _out_of_memory, 30.0),
    "subscription_dropped": Fault(
        "InfluxDB's subscription dropped while kapacitord hangs",
        _subscription_dropped,
        is_mended=_has_subscription,
    ),
    "kapacitor_database_lost": Fault(
        "Kapacitor's database lost",
        _tasks_lost,
        0.0,
        "runs site.yml",
        kills_kapacitor=True,
        loses_levels=True,
    ),
}
LENGTHS: dict[str, float | None] = {name: fault.seconds for name, fault in FAULTS.items()}
