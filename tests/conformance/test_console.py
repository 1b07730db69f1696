"""The console as people have it: `anomaly console` on a real InfluxDB, in a real Chromium.

Pictures of the pages are left in build/console, for people to look at and for the documentation.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

from anomaly.console.settings import ASSETS
from anomaly.models.store import Store
from anomaly.nanoseconds import rfc3339
from anomaly.scoring.feedback_file import feedback_path, read_marks
from bench.console.measure import most_memory_bytes
from bench.udf.processes import processor_seconds
from daemons.console import ConsoleProcess
from daemons.influxd import Influxd
from tests.conformance import console_data as data
from tests.conformance.console_data import PIPELINES, PRINTER, PRINTERS, SECOND_NS
from tests.conformance.live import ROOT, environment

NPM = Path(sys.prefix) / "npm" / "node_modules"
PICTURES = ROOT / "build" / "console"
PASSWORDS = {"vera": "only looks at it", "otto": "changes some of it"}
METERS = 10_000
VERSIONS = ("20260102T000000Z-abc123", "20260103T000000Z-abc123")
MOST_MEMORY_BYTES = 150_000_000
# Far longer than a page takes on a machine that has time for it.
PATIENCE_MS = 60_000


class Desk:
    """A console, and what is behind it.

    Attributes:
        console: the console.
        influxd: InfluxDB.
        store: the versions of the printers' model.
        now_ns: the time up to which there are results.
    """

    def __init__(self, console: ConsoleProcess, influxd: Influxd, store: Store, now_ns: int, browser: Browser) -> None:
        self.console = console
        self.influxd = influxd
        self.store = store
        self.now_ns = now_ns
        self._browser = browser

    def page(self, name: str | None = None, scheme: Any = "light", width: int = 1280, height: int = 900) -> Page:
        """Open a browser; with a name, somebody is logged in there. What the page complains of is kept in it."""
        context = self._browser.new_context(
            base_url=self.console.url, color_scheme=scheme, viewport={"width": width, "height": height}
        )
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("request", lambda each: complaints.append(each.url) if self.console.url not in each.url else None)
        page.complaints = complaints  # type: ignore[attr-defined]
        if name is not None:
            page.goto("/login")
            log_in(page, name, PASSWORDS[name])
            page.wait_for_url("**/")
        return page

    def processor_seconds(self) -> float:
        """Return what the console and InfluxDB have had of the processors."""
        return sum(processor_seconds(each.process.pid) for each in (self.console, self.influxd))

    def marks(self) -> list[list[Any]]:
        """Return what InfluxDB has of feedback: time, kind, note and printer."""
        query = 'SELECT "kind", "note", "printer"::tag FROM "feedback"'
        return [row for chunk in self.influxd.client.query(query, "anomaly") for row in chunk.rows]


def log_in(page: Page, name: str, password: str) -> None:
    page.fill("#name", name)
    page.fill("#password", password)
    page.click("button.primary")


def opened(page: Page, path: str) -> Page:
    """Open a page, and wait until its plots and its other parts are there."""
    page.goto(path)
    page.wait_for_load_state("networkidle")
    return page


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with a page."""
    page.evaluate((NPM / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [f"{each['id']}: {node['html'][:200]}: {node['failureSummary']}" for each in found for node in each["nodes"]]


def series_of(number: int) -> dict[str, Any]:
    """Return the parameters that name a printer."""
    return {"pipeline": "printer", "series": [f"hall={data.hall(number)}", f"printer=printer-{number:02d}"]}


def address(path: str, **parameters: Any) -> str:
    return f"{path}?{urlencode(parameters, doseq=True)}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Tests in containers run as root, for whom Chromium has no sandbox.
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def desk(influxd_binary: Path, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Desk]:
    """A workshop: printers of which one has a fault now, a press, and very many meters."""
    folder = tmp_path_factory.mktemp("console")
    now_ns = time.time_ns() // (10 * SECOND_NS) * 10 * SECOND_NS
    store = Store(folder / "models", PRINTER.name)
    for number, version in enumerate(VERSIONS, start=1):
        data.write_version(store, PRINTER, version, VERSIONS[0] if number > 1 else None, number)
        store.promote(version)
    with Influxd(influxd_binary, folder / "influxdb") as influxd:
        influxd.create("anomaly")
        for lines in batches(results(now_ns)):
            influxd.client.write(lines, "anomaly")
        with ConsoleProcess(command(folder, influxd.url), {**os.environ, **environment()}) as console:
            yield Desk(console, influxd, store, now_ns, browser)


def results(now_ns: int) -> Iterator[str]:
    for number in range(1, PRINTERS + 1):
        yield from data.printer_scores(number, now_ns, 2.0, {3: (1_500, 0), 8: (1_450, 200)}.get(number))
    yield from data.press_scores("press-1", now_ns, 7_200, 0)
    yield from data.meter_scores(METERS, now_ns)
    yield data.period(
        data.printer_tags(3),
        begin_ns(now_ns),
        1_430,
        state="open",
        peak_severity=100.0,
        text=f"anomalous; at {moment(now_ns - 840 * SECOND_NS)} bed was 69 °C, above the expected 59 to 61 °C",
    )
    yield data.period(data.printer_tags(8), now_ns - 1_400 * SECOND_NS, 1_200, peak_severity=99.0)
    yield data.period(
        data.printer_tags(5), now_ns - 600 * SECOND_NS, 600, state="open", reason="no data", peak_severity=0.0
    )
    yield from data.health(now_ns, influxdb="", kapacitor="", scores="")


def moment(time_ns: int) -> str:
    """Return a time as alerts write it."""
    return rfc3339(time_ns).replace("T", " ").replace("Z", " UTC")


def begin_ns(now_ns: int) -> int:
    """Return the begin of the open period."""
    return now_ns - 1_440 * SECOND_NS


def batches(lines: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(lines, 10_000)):
        yield batch


def settings_file(folder: Path, **more: Any) -> Path:
    """Write the settings of a console for the two users, with further settings."""
    for name, text in {**PASSWORDS, "session": "s" * 40}.items():
        (folder / name).write_text(f"{text}\n")
    roles = {"vera": "viewer", "otto": "operator"}
    settings = {
        "port": 0,
        "users": {name: {"role": role, "password_file": str(folder / name)} for name, role in roles.items()},
        "session_secret_file": str(folder / "session"),
        "assets": str(NPM / "uplot" / "dist"),
        **more,
    }
    path = folder / "settings.json"
    path.write_text(json.dumps(settings))
    return path


def command(folder: Path, influxdb_url: str) -> list[str]:
    """Return the console's command line."""
    settings = settings_file(folder, cache_seconds=0.5, stack_name="workshop")
    (folder / "pipelines.json").write_text(json.dumps([pipeline.as_dict() for pipeline in PIPELINES]))
    files = ["--settings", str(settings), "--spec", str(folder / "pipelines.json")]
    more = ["--models", str(folder / "models"), "--influxdb-url", influxdb_url]
    return [sys.executable, "-m", "anomaly", "console", *files, *more]


def pages(desk: Desk) -> dict[str, str]:
    """Return the address of each page, by the name of its picture."""
    version = {"pipeline": "printer", "version": VERSIONS[1]}
    return {
        "now": "/",
        "search": "/?search=house-000&page=2",
        "series": address("/series", **series_of(3)),
        "period": address("/period", **series_of(3), begin=begin_ns(desk.now_ns)),
        "silence": address("/period", **series_of(5), begin=desk.now_ns - 600 * SECOND_NS),
        "models": "/models",
        "version": address("/models/version", **version),
        "compare": address("/models/compare", pipeline="printer", before=VERSIONS[0], after=VERSIONS[1]),
        "report": "/report",
        "nowhere": "/nowhere",
    }


# All pages are looked at in the light, and those that differ most from each other in the dark and on a phone.
@pytest.mark.parametrize(
    ("scheme", "width", "left_out"),
    [
        ("light", 1280, set()),
        ("dark", 1280, {"search", "silence", "version", "report", "nowhere"}),
        ("light", 390, {"search", "silence", "version", "compare", "nowhere"}),
    ],
)
def test_every_page_opens_without_complaints_and_can_be_used_by_all(
    desk: Desk, scheme: str, width: int, left_out: set[str]
) -> None:
    page = desk.page("otto", scheme, width)
    PICTURES.mkdir(parents=True, exist_ok=True)
    found = []

    for name, path in pages(desk).items():
        if name in left_out:
            continue
        opened(page, path)
        page.screenshot(path=PICTURES / f"{name}-{scheme}-{width}.png", full_page=True)
        found += [f"{name}: {each}" for each in violations(page)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{name} is wider than the window")

    assert found == []
    # Chromium itself complains of an answer 404.
    assert [each for each in page.complaints if "/nowhere" not in each] == []  # type: ignore[attr-defined]
    page.context.close()


def test_somebody_logs_in_is_led_on_and_logs_out(desk: Desk) -> None:
    page = desk.page()
    page.goto("/models")
    log_in(page, "vera", "wrong")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")

    log_in(page, "vera", PASSWORDS["vera"])
    page.wait_for_url("**/models")
    offered = page.get_by_role("button", name=re.compile("Promote|Roll back")).count()
    page.click("text=Log out")
    page.wait_for_url("**/login")
    page.goto("/models")

    assert offered == 0
    assert page.url.endswith("/login?next=%2Fmodels")
    page.context.close()


def test_the_first_page_is_quick_with_ten_thousand_series(desk: Desk) -> None:
    page = desk.page("vera")
    no_shadow = {"pipeline": "printer", "version": ""}
    took = []
    for _ in range(3):
        # After any change of models the console reads everything anew.
        address = f"{desk.console.url}/api/models/shadow"
        assert requests.post(address, json=no_shadow, auth=("otto", PASSWORDS["otto"]), timeout=60).ok
        begin = desk.processor_seconds()
        page.goto("/")
        took.append(desk.processor_seconds() - begin)

    expect(page.locator(".segments [aria-current]")).to_contain_text(f"{METERS + PRINTERS + 1:,}")
    expect(page.locator(".rows tbody tr").first).to_contain_text("printer-03")
    # Both servers' processor time, which is the time of the page on a machine that has nothing else to do.
    assert min(took) < 1.0, took
    page.context.close()


def test_the_first_page_refreshes_by_itself(desk: Desk) -> None:
    page = opened(desk.page("vera"), "/?pipeline=press")
    before = page.locator(".pill.high").count()

    desk.influxd.client.write(
        [data.period({"pipeline": "press", "machine": "press-1"}, desk.now_ns, 5, state="open", reason="pressure")],
        "anomaly",
    )

    expect(page.locator("tbody .pill.high", has_text="open")).to_have_count(1, timeout=PATIENCE_MS)
    assert before <= 1
    page.context.close()


def test_search_finds_a_series_while_somebody_types(desk: Desk) -> None:
    page = opened(desk.page("vera"), "/")

    page.locator("#search").press_sequentially("house-00042")

    expect(page.locator("table.rows tbody tr")).to_have_count(1)
    expect(page.locator("table.rows tbody tr th")).to_contain_text("house=house-00042")
    expect(page.locator("#search")).to_be_focused()
    page.context.close()


def test_a_range_is_zoomed_moved_and_gone_back_to(desk: Desk) -> None:
    page = opened(desk.page("vera"), address("/series", pipeline="press", series="machine=press-1"))
    plot = page.locator("[data-plot]")
    expect(plot).to_have_attribute("data-drawn", re.compile("[1-9]"))
    first = page.locator("[data-span]").inner_text()

    def after(do: Callable[[], None]) -> str:
        with page.expect_response(lambda answer: "/api/steps" in answer.url):
            do()
        return page.locator("[data-span]").inner_text()

    over = page.locator(".u-over").first
    box = over.bounding_box()
    assert box is not None

    def drag() -> None:
        page.mouse.move(box["x"] + 0.80 * box["width"], box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.85 * box["width"], box["y"] + 60, steps=5)
        page.mouse.up()

    zoomed = after(drag)
    page.locator(".canvas").focus()
    closer = after(lambda: page.keyboard.press("+"))
    moved = after(lambda: page.keyboard.press("ArrowLeft"))
    back = after(lambda: page.keyboard.press("0"))

    assert len({first, zoomed, closer, moved}) == 4
    assert back == closer
    assert "from=" in page.url and "to=" in page.url
    assert page.complaints == []  # type: ignore[attr-defined]
    page.context.close()


def test_a_peak_of_one_second_is_seen_in_a_month(desk: Desk) -> None:
    parameters = {"pipeline": "press", "series": "machine=press-1", "from": "30d", "steps": "500"}

    answer = requests.get(
        f"{desk.console.url}/api/steps", parameters, auth=("vera", PASSWORDS["vera"]), timeout=60
    ).json()

    (field,) = answer["fields"]
    assert len(answer["times"]) <= 500
    assert max(each for each in field["high"] if each is not None) > 13.0
    assert max(each for each in answer["severity"] if each is not None) == 97.0


def test_feedback_ends_in_influxdb_and_with_the_running_pipeline(desk: Desk) -> None:
    page = opened(desk.page("otto"), pages(desk)["period"])

    page.fill("#note", "the door was open")
    page.get_by_role("button", name="False alarm").click()
    expect(page.get_by_text("Thank you, it is kept.")).to_be_visible()
    kept = desk.marks()
    handed_on = read_marks(feedback_path(desk.store.models, PRINTER.name))
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("It is taken back.")).to_be_visible()

    assert [row[1:] for row in kept] == [["false_alarm", "the door was open", "printer-03"]]
    assert [(mark.note, mark.appearance is not None) for mark in handed_on] == [("the door was open", True)]
    assert [row[1] for row in desk.marks()] == ["removed"]
    assert read_marks(feedback_path(desk.store.models, PRINTER.name)) == []
    page.context.close()


def test_what_else_moved_is_found(desk: Desk) -> None:
    page = opened(desk.page("vera"), pages(desk)["period"])

    expect(page.locator("#fragment tbody tr").first).to_contain_text("printer-08")
    page.context.close()


def test_an_operator_rolls_back_and_promotes(desk: Desk) -> None:
    page = opened(desk.page("otto"), "/models?pipeline=printer")

    page.get_by_role("button", name=f"Roll back to {VERSIONS[0]}").click()
    expect(page.get_by_text("the version before is current again")).to_be_visible()
    rolled_back = desk.store.current()
    page.get_by_role("button", name="Promote").click()
    expect(page.get_by_text("another version is current")).to_be_visible()

    assert (rolled_back, desk.store.current()) == VERSIONS
    page.context.close()


def test_a_report_is_made_by_a_button(desk: Desk) -> None:
    page = opened(desk.page("vera"), "/report")
    page.get_by_label("meter").uncheck()

    page.get_by_role("button", name="Open the report").click()

    expect(page.locator("h1")).to_contain_text("Anomaly report")
    assert page.evaluate("getComputedStyle(document.body).fontFamily") != "serif"
    assert page.complaints == []  # type: ignore[attr-defined]
    page.context.close()


def test_it_needs_little_memory(desk: Desk) -> None:
    assert most_memory_bytes(desk.console.process.pid) < MOST_MEMORY_BYTES


def test_what_the_pages_load_is_what_the_settings_ask_for() -> None:
    assert all((NPM / "uplot" / "dist" / name).is_file() for name in ASSETS)
