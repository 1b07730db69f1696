"""What the keeper says of its own load."""

import subprocess
import sys

from anomaly.keeper.load import LoadReport, ProcessorTime, processor_time


def test_the_load_is_said_once_an_hour_as_a_share_of_a_processor() -> None:
    report = LoadReport()
    assert report.look(ProcessorTime(5.0, 100.0), 7.0) == ""
    assert report.look(ProcessorTime(20.0, 100.0), 3606.0) == ""
    assert report.look(ProcessorTime(23.0, 172.0), 3607.0) == (
        "in the last 60 minutes looks took 0.5 % of a processor, and catch-ups, trainings and deletions 2.0 %"
    )
    assert report.look(ProcessorTime(95.0, 172.0), 7206.0) == ""
    assert report.look(ProcessorTime(95.0, 172.0), 7207.0) == (
        "in the last 60 minutes looks took 2.0 % of a processor, and catch-ups, trainings and deletions 0.0 %"
    )


def test_jobs_that_have_ended_are_told_apart_from_looks() -> None:
    before = processor_time()
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    after = processor_time()
    assert after.jobs_s - before.jobs_s >= 0.19
    assert after.looks_s - before.looks_s < 0.19
