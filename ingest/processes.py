"""Lists the dummy processes by the names that command lines know them by."""

from ingest.heatpump import HEAT_PUMPS
from ingest.kinds import SOURCES
from ingest.printer import PRINTERS
from ingest.process import Process

PROCESSES: dict[str, Process] = {process.name: process for process in (PRINTERS, HEAT_PUMPS, SOURCES)}
