"""The pages of models: versions, manifests, differences; promote, shadow and roll back by operators alone."""

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from anomaly.models.manifest import RangeRecord, TrainingRecord
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import normalize
from tests.unit.anomaly.console.made import client, is_down, make_app, token
from tests.unit.anomaly.printers import PIPELINE


@pytest.fixture
def versions(store: Store, model: Model) -> Store:
    """Three versions, the second of which is current after the first."""
    for number, name in enumerate(("v2", "v3"), start=1):
        record = TrainingRecord(
            created=f"2026-01-0{number}T00:00:00Z", parent="v1", seed=number, range=RangeRecord("a", "b")
        )
        store.write(replace(model, version=name), record)
    store.promote("v2")
    return store


class Desk:
    def __init__(self, folder: Path, store: Store) -> None:
        (folder / "models").symlink_to(store.models)
        app, self.influx = make_app(folder, [PIPELINE])
        self.viewer, self.operator = client(app, "vera"), client(app, "otto")

    def post(self, browser: TestClient, action: str, **form: str) -> tuple[int, str]:
        answer = browser.post(f"/models/{action}", data={"pipeline": "printer", "csrf": token(browser), **form})
        return answer.status_code, answer.text


@pytest.fixture
def desk(tmp_path: Path, versions: Store) -> Desk:
    folder = tmp_path / "console"
    folder.mkdir()
    return Desk(folder, versions)


def test_versions_are_listed_the_newest_first(desk: Desk, model: Model) -> None:
    found = desk.viewer.get("/api/models", params={"pipeline": "printer"}).json()

    assert (found["current"], found["before"]) == ("v2", model.version)
    assert [each["version"] for each in found["versions"]] == ["v3", "v2", model.version]


def test_an_operator_promotes_and_rolls_back(desk: Desk, versions: Store, model: Model) -> None:
    promoted = desk.post(desk.operator, "promote", version="v3", current="v2")
    first = versions.current()
    rolled_back = desk.post(desk.operator, "rollback", current="v3")

    assert (promoted[0], first) == (303, "v3")
    assert (rolled_back[0], versions.current()) == (303, "v2")


def test_a_shadow_begins_and_ends(desk: Desk, versions: Store) -> None:
    begun = desk.post(desk.operator, "shadow", version="v3", current="v2")
    shadow = versions.shadow()
    ended = desk.post(desk.operator, "shadow", version="", current="v2")

    assert (begun[0], shadow) == (303, "v3")
    assert (ended[0], versions.shadow()) == (303, None)


@pytest.mark.parametrize("action", ["promote", "rollback", "shadow"])
def test_a_viewer_changes_nothing(desk: Desk, versions: Store, action: str) -> None:
    status, text = desk.post(desk.viewer, action, version="v3", current="v2")

    assert status == 403
    assert "This needs the role operator" in text
    assert (versions.current(), versions.shadow()) == ("v2", None)
    assert "Promote" not in desk.viewer.get("/models").text


def test_a_page_that_is_older_than_a_training_changes_nothing(desk: Desk, versions: Store) -> None:
    versions.promote("v3")

    status, text = desk.post(desk.operator, "rollback", current="v2")

    assert status == 409
    assert "v3 of printer is current by now, and no longer v2" in text
    assert versions.current() == "v3"


def test_a_version_of_another_pipeline_is_not_promoted(tmp_path: Path, versions: Store, desk: Desk) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    (changed / "models").symlink_to(versions.models)
    other = normalize([{**PIPELINE.as_dict(), "window": "20s"}])[0]
    browser = client(make_app(changed, [other])[0], "otto")

    form = {"pipeline": "printer", "version": "v3", "current": "v2", "csrf": token(browser)}
    answer = browser.post("/models/promote", data=form)

    assert answer.status_code == 409
    assert "does not fit the pipeline" in answer.text
    assert versions.current() == "v2"


@pytest.mark.parametrize(
    ("action", "form", "status", "message"),
    [
        ("promote", {}, 400, "version: is missing"),
        ("promote", {"version": "../v3"}, 409, "is not a version of printer"),
        ("promote", {"version": "v9"}, 409, "has no version v9"),
        ("promote", {"version": "v3", "pipeline": "nowhere"}, 404, "there is no pipeline"),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    desk: Desk, action: str, form: dict[str, str], status: int, message: str
) -> None:
    code, text = desk.post(desk.operator, action, **form)

    assert code == status
    assert message in text


def test_a_version_says_what_made_it(desk: Desk) -> None:
    text = desk.viewer.get("/models/version", params={"pipeline": "printer", "version": "v3"}).text

    assert "2026-01-02T00:00:00Z" in text
    assert '<th scope="row">Seed</th><td class="wrap">2</td>' in text


def test_two_versions_are_compared(desk: Desk) -> None:
    parameters = {"pipeline": "printer", "before": "v2", "after": "v3"}

    text = desk.viewer.get("/models/compare", params=parameters).text
    found = desk.viewer.get("/api/models/compare", params=parameters).json()

    assert "<h1>1 difference</h1>" in text
    assert found["differences"] == [{"what": "seed", "before": "1", "after": "2"}]


def test_a_version_that_is_not_there_is_a_page(desk: Desk) -> None:
    answer = desk.viewer.get("/models/version", params={"pipeline": "printer", "version": "../../x"})

    assert answer.status_code == 404


def test_a_script_promotes_with_its_password(desk: Desk, versions: Store) -> None:
    desk.operator.cookies.clear()
    body = {"pipeline": "printer", "version": "v3"}

    refused = desk.operator.post("/api/models/promote", json=body, auth=("vera", "looks only"))
    answer = desk.operator.post("/api/models/promote", json=body, auth=("otto", "changes things"))

    assert refused.status_code == 403
    assert answer.json() == {"pipeline": "printer", "status": "promoted", "version": "v3"}
    assert versions.current() == "v3"


def test_models_are_shown_while_influxdb_is_down(tmp_path: Path, versions: Store) -> None:
    folder = tmp_path / "down"
    folder.mkdir()
    (folder / "models").symlink_to(versions.models)
    (pattern,) = normalize([{**PIPELINE.as_dict(), "fields": ["*"]}])
    browser = client(make_app(folder, [pattern], is_down)[0], "vera")

    text = browser.get("/models").text

    assert '<span class="pill good">current</span>' in text
    assert "not usable" not in text
