"""A host's images are planned in one go: what is there, what to get and how, and what to say of the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.influx_anomaly.stack.plugins.action.images_plan import (
    build_arguments,
    read_archive,
)
from ansible_collections.influx_anomaly.stack.plugins.action.images_pull import Pulls
from ansible_collections.influx_anomaly.stack.plugins.filter.images import images_export_list, images_exports
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_plan import (
    ImageRequest,
    is_unreachable,
    known_images,
    plan_images,
    reason_of,
)
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_record import read_record

IMAGES: dict[str, dict[str, Any]] = {
    "influxdb": {"version": "1.12.4", "built": True},
    "kapacitor-python": {"version": "1.8.6", "built": True, "ours": True},
    "grafana": {"version": "11.6.0", "optional": True},
}
REQUEST = ImageRequest(
    images=IMAGES,
    bases={"debian": "trixie-slim", "kapacitor": "1.8.6"},
    source="auto",
    registry="docker.io",
    repositories={
        "influxdb": "library/influxdb",
        "kapacitor-python": "ia/k-py",
        "grafana": "grafana/grafana",
        "debian": "library/debian",
        "kapacitor": "library/kapacitor",
    },
)
BUILT = {"influxdb": "ia/influxdb:1.12.4-1", "kapacitor-python": "ia/k-py:1.8.6-2"}
ENTRY = {"name": "influxdb", "version": "1.12.4", "ref": "influxdb:1.12.4", "id": "sha256:aa", "sha256": "f00",
         "file": "influxdb-1.12.4.tar.gz"}  # fmt: skip


def image(reference: str, digest: str = "") -> dict[str, Any]:
    repository = reference.rpartition(":")[0]
    return {
        "Id": f"sha256:{reference}",
        "RepoTags": [reference],
        "RepoDigests": [f"{repository}@{digest}"] if digest else None,
        "Size": 1,
    }


def plan(*references: str, built: Mapping[str, str] = BUILT, **change: Any) -> dict[str, Any]:
    return plan_images(replace(REQUEST, **change), [image(reference) for reference in references], built)


def refs(candidates: Sequence[Mapping[str, Any]]) -> list[str]:
    return [candidate["ref"] for candidate in candidates]


class TestPlan:
    def test_with_everything_there_is_nothing_to_get(self) -> None:
        found = plan("ia/influxdb:1.12.4-1", "ia/k-py:1.8.6-2", "grafana/grafana:11.6.0")
        assert found["missing"] == found["load"] == found["pull"] == found["build"] == found["pull_bases"] == []
        assert found["resolved"] == {**BUILT, "grafana": "grafana/grafana:11.6.0"}
        assert found["reasons"] == {}
        assert found["lost"] == found["said"] == []

    def test_what_is_missing_is_pulled_or_built(self) -> None:
        found = plan("ia/influxdb:1.12.4-1")
        assert found["missing"] == ["kapacitor-python", "grafana"]
        assert refs(found["pull"]) == ["grafana/grafana:11.6.0"]
        assert refs(found["pull_bases"]) == ["debian:trixie-slim", "kapacitor:1.8.6"]
        assert found["build"] == ["kapacitor-python"]

    def test_bases_are_pulled_only_for_an_image_of_ours(self) -> None:
        assert plan("ia/k-py:1.8.6-2")["pull_bases"] == []

    def test_a_refresh_asks_the_registry_for_what_is_there_too(self) -> None:
        found = plan("ia/influxdb:1.12.4-1", "ia/k-py:1.8.6-2", "grafana/grafana:11.6.0", refresh=True)
        assert refs(found["pull"]) == ["influxdb:1.12.4", "grafana/grafana:11.6.0"]
        assert found["build"] == []

    def test_an_archive_is_loaded_first(self) -> None:
        found = plan(listed=[ENTRY])
        assert refs(found["load"]) == ["influxdb:1.12.4"]
        assert plan(listed=[{**ENTRY, "version": "1.8.10"}])["load"] == []

    def test_what_was_loaded_in_this_run_is_known_by_its_id(self) -> None:
        loads = {"influxdb": {"id": "sha256:influxdb:1.12.4", "archive_sha256": "f00"}}
        assert "influxdb" in plan("influxdb:1.12.4", source="archive", listed=[ENTRY])["missing"]
        found = plan("influxdb:1.12.4", source="archive", listed=[ENTRY], loads=loads)
        assert found["details"]["influxdb"]["archive_sha256"] == "f00"

    def test_a_stack_cannot_do_without_what_is_not_optional(self) -> None:
        found = plan(source="archive")
        assert found["lost"] == ["influxdb", "kapacitor-python"]
        assert found["reasons"]["influxdb"] == "the archive does not list influxdb"
        assert found["resolved"] == {"influxdb": "", "kapacitor-python": "", "grafana": ""}

    def test_what_came_another_way_is_said(self) -> None:
        found = plan(
            "ia/influxdb:1.12.4-1",
            "ia/k-py:1.8.6-2",
            failures={"influxdb": ["influxdb:1.12.4 cannot be pulled: gone"]},
        )
        assert found["said"] == [
            "influxdb is here by build, since influxdb:1.12.4 cannot be pulled: gone",
            "grafana is left out: no package registry serves it, so it cannot be built either",
        ]

    def test_the_lock_names_what_was_tried_in_vain(self) -> None:
        found = plan("ia/influxdb:1.12.4-1", "ia/k-py:1.8.6-2", unreachable="no route")
        assert found["lock"]["influxdb"]["ref"] == "ia/influxdb:1.12.4-1"
        assert found["lock"]["grafana"] == {
            "ref": "",
            "digest": "",
            "tried": ["grafana/grafana:11.6.0"],
            "reason": found["reasons"]["grafana"],
        }
        assert found["reasons"]["grafana"].startswith("docker.io cannot be reached: no route")

    def test_of_an_image_of_ours_the_references_are_those_of_its_build(self) -> None:
        found = plan(registry="mirror.example", source="pull")
        assert "mirror.example/ia/k-py:1.8.6-2" in refs(found["pull"])
        without = plan(registry="mirror.example", source="pull", built={})
        assert [way for way in without["pull"] if way["name"] == "kapacitor-python"] == []


class TestDigests:
    RECORDED: ClassVar[dict[str, dict[str, str]]] = {"influxdb": {"ref": "influxdb:1.12.4", "digest": "sha256:d1"}}

    def pulls(self, **change: Any) -> list[str]:
        found = plan(source="pull", **change)
        return [way["digest"] for way in found["pull"] if way["name"] == "influxdb"]

    def test_the_same_version_keeps_the_digest_that_was_pulled(self) -> None:
        assert self.pulls(recorded=self.RECORDED) == ["sha256:d1"]

    def test_another_version_or_a_refresh_does_not(self) -> None:
        assert self.pulls(recorded={"influxdb": {"ref": "influxdb:1.8.10", "digest": "sha256:d1"}}) == [""]
        assert self.pulls(recorded=self.RECORDED, refresh=True) == [""]

    def test_the_inventory_wins(self) -> None:
        assert self.pulls(recorded=self.RECORDED, digests={"influxdb": "sha256:d2"}) == ["sha256:d2"]


class TestADryRun:
    def test_goes_on_with_what_would_be_there(self) -> None:
        found = plan(dry=True)
        assert found["resolved"] == {
            "influxdb": "influxdb:1.12.4",
            "kapacitor-python": "ia/k-py:1.8.6-2",
            "grafana": "grafana/grafana:11.6.0",
        }
        assert found["details"]["grafana"] == {
            "ref": "grafana/grafana:11.6.0",
            "id": "",
            "digest": "",
            "size": 0,
            "source": "pull",
        }
        assert found["lost"] == []

    def test_expects_nothing_of_what_was_tried_in_vain(self) -> None:
        recorded = {"grafana": {"ref": "", "digest": "", "tried": ["grafana/grafana:11.6.0"], "reason": "it is gone"}}
        found = plan(dry=True, recorded=recorded)
        assert found["resolved"]["grafana"] == ""
        assert found["reasons"] == {"grafana": "it is gone"}

    def test_expects_another_version_anew(self) -> None:
        recorded = {"grafana": {"ref": "", "digest": "", "tried": ["grafana/grafana:10.0.0"], "reason": "it is gone"}}
        assert plan(dry=True, recorded=recorded)["resolved"]["grafana"] == "grafana/grafana:11.6.0"


class TestBases:
    def test_pulled_ones_are_found_by_their_references(self) -> None:
        engine = [image("kapacitor:1.8.6"), image("debian:trixie-slim"), image("debian:12")]
        assert REQUEST.found_bases(engine) == {"debian": "debian:trixie-slim", "kapacitor": "kapacitor:1.8.6"}
        assert replace(REQUEST, source="build").found_bases(engine) == {}

    def test_they_are_arguments_of_the_build(self) -> None:
        arguments = build_arguments({"influxdb": "1.12.4"}, {"kapacitor": "k:1", "debian": "d:1"})
        assert arguments == ["--influxdb-version", "1.12.4", "--base=debian=d:1", "--base=kapacitor=k:1"]

    @pytest.mark.parametrize(
        ("source", "names"),
        [("archive", []), ("build", ["influxdb", "kapacitor-python"]), ("pull", ["influxdb", "kapacitor-python"])],
    )
    def test_references_of_builds_are_asked_for_where_they_may_count(self, source: str, names: list[str]) -> None:
        assert replace(REQUEST, source=source).buildable == names


def test_of_many_images_those_that_matter_are_kept() -> None:
    engine = [
        image("ia/influxdb:1.12.4-1"),
        image("debian:trixie-slim"),
        image("nginx:1"),
        {"Id": "x", "RepoTags": None},
    ]
    assert [found["RepoTags"] for found in known_images(REQUEST, engine, BUILT)] == [
        ["ia/influxdb:1.12.4-1"],
        ["debian:trixie-slim"],
    ]


class TestPulls:
    def run(self, answers: Mapping[str, str], *references: str) -> tuple[Pulls, list[str]]:
        asked: list[str] = []

        def pull(candidate: Mapping[str, Any]) -> tuple[str, bool]:
            asked.append(candidate["ref"])
            return answers.get(candidate["ref"], ""), not answers.get(candidate["ref"])

        pulls = Pulls()
        pulls.run([{"name": reference.split("/")[-1], "ref": reference} for reference in references], pull)
        return pulls, asked

    def test_the_first_reference_that_is_there_is_enough(self) -> None:
        pulls, asked = self.run({}, "a/x", "b/x", "a/y")
        assert asked == ["a/x", "a/y"]
        assert (pulls.got, pulls.failures, pulls.changed) == (["x", "y"], {}, True)

    def test_every_reference_that_fails_is_told(self) -> None:
        pulls, asked = self.run({"a/x": "manifest unknown", "b/x": "denied"}, "a/x", "b/x", "a/y")
        assert asked == ["a/x", "b/x", "a/y"]
        assert pulls.failures == {"x": ["a/x cannot be pulled: manifest unknown", "b/x cannot be pulled: denied"]}
        assert (pulls.got, pulls.unreachable) == (["y"], "")

    def test_a_registry_out_of_reach_is_asked_once(self) -> None:
        said = 'Error pulling a/x - 500 Server Error ("dial tcp: lookup a: no such host")'
        pulls, asked = self.run({"a/x": said}, "a/x", "b/x", "a/y")
        assert asked == ["a/x"]
        assert pulls.unreachable == "dial tcp: lookup a: no such host"
        assert pulls.failures == {"x": ["a/x cannot be pulled: dial tcp: lookup a: no such host"]}


def test_the_engines_own_words_are_taken_out_of_a_message() -> None:
    assert reason_of('Error pulling image x:1 - 404 Client Error ("manifest unknown")') == "manifest unknown"
    assert reason_of("something else") == "something else"
    assert is_unreachable("x509: certificate signed by unknown authority")
    assert not is_unreachable("manifest unknown")


class TestTheArchive:
    def lay_out(self, folder: Path, listed: list[dict[str, Any]], digest: str = "") -> None:
        content = json.dumps({"images": listed}).encode()
        (folder / "images.json").write_bytes(content)
        digest = digest or hashlib.sha256(content).hexdigest()
        (folder / "SHA256SUMS").write_text(f"f00  {ENTRY['file']}\n{digest}  images.json\n")

    def test_is_read_with_its_sums(self, tmp_path: Path) -> None:
        self.lay_out(tmp_path, [ENTRY])
        listed, sums = read_archive(tmp_path, "archive")
        assert listed == [ENTRY]
        assert sums[ENTRY["file"]] == "f00"

    def test_without_its_files_it_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(AnsibleActionFail, match=r"image_archive_dir is 'here', which has no images\.json\. Fix: "):
            read_archive(tmp_path, "here")

    @pytest.mark.parametrize("digest", ["0" * 64, "none"])
    def test_with_a_changed_list_it_is_refused(self, tmp_path: Path, digest: str) -> None:
        self.lay_out(tmp_path, [ENTRY], digest)
        with pytest.raises(AnsibleActionFail, match=r"here/images\.json was changed: its SHA-256 is .*Fix: copy"):
            read_archive(tmp_path, "here")


def test_the_record_may_be_missing_and_knows_hosts_by_name(tmp_path: Path) -> None:
    path = tmp_path / "images.lock.json"
    assert read_record(path, "a") == ({}, {})
    path.write_text(json.dumps({"hosts": {"a": {"influxdb": {"ref": "r"}}}}))
    assert read_record(path, "a") == ({"a": {"influxdb": {"ref": "r"}}}, {"influxdb": {"ref": "r"}})
    assert read_record(path, "b")[1] == {}


def test_an_image_of_two_hosts_is_exported_once() -> None:
    details = {"images_details": {"influxdb": {"ref": "i:1", "id": "sha256:1"}}}
    more = {"images_details": {**details["images_details"], "grafana": {"ref": "g:1", "id": "sha256:2"}}}
    exports = images_exports(["a", "b"], {"a": details, "b": more}, IMAGES)
    assert [(export["name"], export["host"], export["file"]) for export in exports] == [
        ("grafana", "b", "grafana-11.6.0.tar.gz"),
        ("influxdb", "a", "influxdb-1.12.4.tar.gz"),
    ]
    (entry,) = images_export_list([{"item": exports[1], "stat": {"checksum": "f00", "size": 5}}])
    assert entry == {
        "name": "influxdb",
        "version": "1.12.4",
        "ref": "i:1",
        "id": "sha256:1",
        "file": "influxdb-1.12.4.tar.gz",
        "sha256": "f00",
        "size": 5,
    }
