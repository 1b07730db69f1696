"""The page What if in a real Chromium: a trial of the whole way, from the form to the YAML that keeps the change."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from anomaly.cli import main
from anomaly.cli.codes import DONE
from daemons.influxd import Influxd
from tests.conformance import test_console, test_what_if
from tests.conformance.live import environment
from tests.conformance.test_console import PASSWORDS, PATIENCE_MS, PICTURES, Console, log_in, settings_file, violations
from tests.conformance.test_what_if import RANGE, SPEC, common, models
from tests.unit.anomaly.printers import FIELDS

# Fixtures.
browser, folder, influxd = test_console.browser, test_what_if.folder, test_what_if.influxd

FROM, TO = RANGE[1], RANGE[3]


@pytest.fixture(scope="module")
def url(influxd: Influxd, folder: Path) -> Iterator[str]:
    """The address of a console whose pipeline has a model."""
    command = [sys.executable, "-m", "anomaly", "console", "--settings", str(settings_file(folder))]
    with Console([*command, *common(influxd, folder)], {**os.environ, **environment()}) as console:
        yield console.url


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


def tried(page: Page) -> None:
    """Fill in the range, start the trial, and wait until both sides are shown."""
    page.fill("#from", FROM)
    page.fill("#to", TO)
    page.click("text=Try it")
    page.wait_for_selector("[data-trial=shown]", timeout=3 * PATIENCE_MS)


def test_a_change_is_tried_and_its_yaml_keeps_it(page: Page, folder: Path) -> None:
    before = models(folder)
    page.goto("/what-if")
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


def test_severities_move_within_the_page(page: Page) -> None:
    page.goto("/what-if")
    tried(page)
    opening = page.locator("#move-open")
    low, count = opening.input_value(), page.locator("[data-periods=then] tr").count()

    opening.fill("100")
    page.wait_for_selector("[data-moved^='100 ']")

    assert float(low) < 100
    assert page.locator("[data-periods=then] tr").count() <= count
    assert '"open": 100' in (page.text_content("[data-yaml]") or "")


def test_a_change_that_cannot_be_is_told_before_anything_starts(page: Page) -> None:
    page.goto("/what-if")
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
