"""What a process takes of the machine."""

import os
from pathlib import Path

from bench.udf.errors import BenchError


def processor_seconds(pid: int) -> float:
    """Return what a process has had of the processors so far, in seconds."""
    # proc(5): the name in parentheses may hold anything; utime and stime are the 12th and 13th field after it.
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process.

    Raises:
        BenchError: the process has ended.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"the process {pid} has ended")
