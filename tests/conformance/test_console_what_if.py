"""The page What if in a real Chromium: a trial of the whole way, from the form to the YAML that keeps the change."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from anomaly.cli import main
from anomaly.cli.codes import DONE
from anomaly.influxdb.marks import mark_line
from anomaly.scoring.feedback import TRUE, Mark
from daemons.console import ConsoleProcess
from daemons.influxd import Influxd
from ingest.faults import load_schedule
from ingest.printer import FIELD_NAMES
from ingest.stream import DeviceStream
from ingest.times import HOUR_MS, format_time
from tests.conformance import test_console, test_what_if
from tests.conformance.live import environment
from tests.conformance.test_console import PASSWORDS, PATIENCE_MS, PICTURES, log_in, settings_file, violations
from tests.conformance.test_what_if import RANGE, SPEC, common, models
from tests.unit.anomaly.printers import FIELDS

# Fixtures.
browser, folder, influxd = test_console.browser, test_what_if.folder, test_what_if.influxd

FROM, TO = RANGE[1], RANGE[3]
# The first hours of the demonstration's day have a fault of each kind on its two printers.
DEMO_NS, DEMO_MS, HISTORY_MS = 1_704_153_600_000_000_000, 39 * HOUR_MS // 4, 6 * HOUR_MS
DEMO_FAULTS = load_schedule(Path("day.yml")).clipped(DEMO_MS, 2).place(DEMO_NS // 1_000_000, 2)
# Without deviations nobody sees a wrong reading among many, or a sensor that repeats its last value.
DEMO: dict[str, Any] = {**SPEC, "name": "demo", "database": "demo", "aggregate": ["mean"], "detector": "robust_z"}


@pytest.fixture(scope="module")
def url(influxd: Influxd, folder: Path) -> Iterator[str]:
    """The address of a console whose pipeline has a model."""
    command = [sys.executable, "-m", "anomaly", "console", "--settings", str(settings_file(folder))]
    with ConsoleProcess([*command, *common(influxd, folder)], {**os.environ, **environment()}) as console:
        yield console.url


@pytest.fixture(scope="module")
def demo(influxd: Influxd, folder: Path) -> list[str]:
    """The demonstration's printers with their faults and these as feedback, and a pipeline with a model; its range."""
    begin_ms = DEMO_NS // 1_000_000
    stream = DeviceStream(begin_ms - HISTORY_MS, begin_ms + DEMO_MS, 1_000, 2, 1, DEMO_FAULTS)
    influxd.create("demo")
    lines = (
        f"temperature,printer={point.tags['printer']} "
        f"{','.join(f'{name}={value}' for name, value in point.fields.items())} {point.time_ns}"
        for point in stream.points()
    )
    influxd.client.write(list(lines), "demo")
    marks = (
        Mark(TRUE, fault.begin_ms * 10**6, fault.end_ms * 10**6, {"printer": f"printer-{fault.device}"}, fault.kind)
        for fault in DEMO_FAULTS
    )
    influxd.client.write([mark_line("demo", mark) for mark in marks], "anomaly")
    specification = {key: value for key, value in DEMO.items() if key != "parameters"}
    (folder / "pipelines.json").write_text(json.dumps([SPEC, specification]))
    begin, middle, end = map(format_time, (stream.begin_ms, begin_ms, stream.end_ms))
    trained = ["train", *common(influxd, folder), "--pipeline", "demo", "--from", begin, "--to", middle]
    assert main(trained) == DONE
    return [middle, end]


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A browser in which the operator is logged in."""
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    complaints: list[str] = []
    # A page that says why it refuses something does not complain.
    page.on("console", lambda message: complaints.append(message.text) if "status of 400" not in message.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/login")
    log_in(page, "otto", PASSWORDS["otto"])
    page.wait_for_url("**/")
    yield page
    context.close()
    assert complaints == []


def tried(page: Page, begin: str = FROM, end: str = TO) -> None:
    """Fill in the range, start the trial, and wait until both sides are shown."""
    page.fill("#from", begin)
    page.fill("#to", end)
    page.click("text=Try it")
    page.wait_for_selector("[data-trial=shown]", timeout=3 * PATIENCE_MS)


def test_a_change_is_tried_and_its_yaml_keeps_it(page: Page, folder: Path) -> None:
    before = models(folder)
    page.goto("/what-if?pipeline=printer")
    page.fill("#window", "30s")
    page.select_option("#detector", "robust_z")
    tried(page)

    figures = page.locator("[data-figures] tr")
    expect(figures.nth(1)).to_contain_text("180")
    expect(figures.nth(1)).to_contain_text("60")
    for which in ("now", "then"):
        expect(page.locator(f"[data-periods={which}] tr")).to_have_count(1)
        expect(page.locator(f"[data-periods={which}]")).to_contain_text(FIELDS[0])
    shown = page.text_content("[data-yaml]") or ""
    assert 'window: "30s"' in shown
    assert 'detector: "robust_z"' in shown
    assert shown.startswith('- name: "printer"\n  database: ')
    assert violations(page) == []
    assert models(folder) == before
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "what-if.png", full_page=True)


def test_a_trial_finds_the_faults_of_the_demonstration(page: Page, demo: list[str]) -> None:
    page.goto("/what-if?pipeline=demo")
    page.check("[name=aggregate][value=stddev]")
    tried(page, *demo)

    found = page.locator("[data-figures] tr", has_text="Known faults found").locator("td")
    of_all = len(DEMO_FAULTS)
    assert {fault.kind for fault in DEMO_FAULTS} == {"sigma", "offset", "spike", "drift", "stuck", "gap"}
    expect(found.nth(1)).to_have_text(f"{of_all} of {of_all}")
    assert int(found.nth(0).inner_text().removesuffix(f" of {of_all}")) < of_all
    reasons = page.locator("[data-periods=then]")
    for field in FIELD_NAMES:
        expect(reasons).to_contain_text(field)
    page.screenshot(path=PICTURES / "what-if-demo.png", full_page=True)


def test_severities_move_within_the_page(page: Page) -> None:
    page.goto("/what-if?pipeline=printer")
    tried(page)
    opening = page.locator("#move-open")
    low, count = opening.input_value(), page.locator("[data-periods=then] tr").count()

    opening.fill("100")
    page.wait_for_selector("[data-moved^='100 ']")

    assert float(low) < 100
    assert page.locator("[data-periods=then] tr").count() <= count
    assert '"open": 100' in (page.text_content("[data-yaml]") or "")


def test_a_change_that_cannot_be_is_told_before_anything_starts(page: Page) -> None:
    page.goto("/what-if?pipeline=printer")
    page.fill("#window", "30 s")
    page.click("text=Try it")
    expect(page.locator("main")).to_contain_text("window")
    expect(page.locator("main")).to_contain_text("30 s")


def test_a_viewer_may_look_and_not_start(url: str) -> None:
    viewer = ("vera", PASSWORDS["vera"])
    assert requests.get(f"{url}/api/what-if", auth=viewer, timeout=30).ok
    refused = requests.post(f"{url}/api/what-if", json={"pipeline": SPEC["name"]}, auth=viewer, timeout=30)
    assert (refused.status_code, "operator" in refused.json()["error"]) == (403, True)


def test_a_script_starts_and_cancels_a_trial(url: str) -> None:
    operator = ("otto", PASSWORDS["otto"])

    def ask(method: str, path: str, **more: object) -> requests.Response:
        return requests.request(method, f"{url}/api/what-if{path}", auth=operator, timeout=60, **more)  # type: ignore[arg-type]

    started = ask("POST", "", json={"pipeline": "printer", "changes": {"window": "20s"}, "from": FROM, "to": TO})
    second = ask("POST", "", json={"pipeline": "printer", "changes": {}})
    cancelled = ask("POST", "/cancel", json={})

    assert started.json()["status"] == "running"
    assert (second.status_code, "by otto is running" in second.json()["error"]) == (409, True)
    assert cancelled.json()["status"] == "cancelled"
    assert ask("GET", "").json()["status"] == "cancelled"


def test_the_command_of_a_trial_is_one_that_the_program_has() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["what-if", "--help"])
    assert ended.value.code == DONE
