"""Where images may come from, which are there already, and which may be removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.filter.images import (
    images_recorded,
    images_table,
    teardown_images,
)
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_plan import (
    archived_images,
    candidates_of,
    excuses_for,
    present_images,
    sha256sums,
)

ENTRY = {"name": "influxdb", "version": "1.12.4", "ref": "influxdb:1.12.4", "id": "sha256:aa", "sha256": "f00",
         "file": "influxdb-1.12.4.tar.gz"}  # fmt: skip
PLAN: dict[str, Any] = {
    "source": "auto",
    "registry": "docker.io",
    "repositories": {"influxdb": "library/influxdb", "grafana": "grafana/grafana", "kapacitor-python": "ia/k-py"},
    "tags": {"influxdb": "1.12.4", "grafana": "11.6.0", "kapacitor-python": "1.8.6-abc"},
    "digests": {},
    "built": {"influxdb": "ia/influxdb:1.12.4-123", "kapacitor-python": "ia/k-py:1.8.6-abc"},
    "ours": ["kapacitor-python"],
    "archive": {},
}


def ways(name: str, **change: Any) -> list[tuple[str, str]]:
    return [(way["source"], way["ref"]) for way in candidates_of([name], PLAN | change)[name]]


def test_auto_pulls_and_falls_back_to_building() -> None:
    assert ways("influxdb") == [("pull", "influxdb:1.12.4"), ("build", "ia/influxdb:1.12.4-123")]


def test_auto_loads_first_what_an_archive_has() -> None:
    assert ways("influxdb", archive={"influxdb": ENTRY})[0] == ("archive", "influxdb:1.12.4")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("pull", [("pull", "influxdb:1.12.4")]),
        ("build", [("build", "ia/influxdb:1.12.4-123")]),
        ("archive", [("archive", "influxdb:1.12.4")]),
    ],
)
def test_every_other_source_is_the_only_one(source: str, expected: list[tuple[str, str]]) -> None:
    assert ways("influxdb", source=source, archive={"influxdb": ENTRY}) == expected


def test_our_own_image_is_on_no_public_registry_and_built_even_when_all_else_is_pulled() -> None:
    assert ways("kapacitor-python", source="pull") == [("build", "ia/k-py:1.8.6-abc")]


def test_a_registry_of_ones_own_may_have_our_image_and_official_ones_with_and_without_library() -> None:
    change = {"source": "pull", "registry": "mirror.example:5000/hub"}
    assert ways("kapacitor-python", **change) == [
        ("pull", "mirror.example:5000/hub/ia/k-py:1.8.6-abc"), ("build", "ia/k-py:1.8.6-abc")
    ]  # fmt: skip
    assert ways("influxdb", **change) == [
        ("pull", "mirror.example:5000/hub/library/influxdb:1.12.4"), ("pull", "mirror.example:5000/hub/influxdb:1.12.4")
    ]  # fmt: skip


def test_what_cannot_be_built_is_not_built() -> None:
    assert ways("grafana") == [("pull", "grafana/grafana:11.6.0")]
    assert ways("grafana", source="build") == []


def image(reference: str, identity: str = "sha256:aa", digest: str = "") -> dict[str, Any]:
    repository = reference.rpartition(":")[0]
    return {"Id": identity, "RepoTags": [reference], "RepoDigests": [f"{repository}@{digest}"] if digest else [],
            "Size": 12_000_000}  # fmt: skip


def present(images: list[dict[str, Any]], recorded: dict[str, Any] | None = None, **change: Any) -> dict[str, Any]:
    return present_images(candidates_of(["influxdb"], PLAN | change), images, recorded or {})


def test_what_is_there_is_taken_in_the_order_of_the_ways() -> None:
    both = [image("ia/influxdb:1.12.4-123"), image("influxdb:1.12.4", digest="sha256:d1")]
    assert present(both)["influxdb"] == {
        "ref": "influxdb:1.12.4", "id": "sha256:aa", "digest": "sha256:d1", "source": "pull", "size": 12_000_000
    }  # fmt: skip
    assert present(both[:1])["influxdb"]["source"] == "build"
    assert present([]) == {}


def test_a_pulled_image_of_another_digest_is_not_the_one_that_is_meant() -> None:
    pulled = [image("influxdb:1.12.4", digest="sha256:d1")]
    assert present(pulled, source="pull", digests={"influxdb": "sha256:d1"})
    assert not present(pulled, source="pull", digests={"influxdb": "sha256:d2"})
    assert not present([image("influxdb:1.12.4")], source="pull", digests={"influxdb": "sha256:d1"})


def test_an_archived_image_is_known_by_its_id_or_by_what_was_loaded() -> None:
    change: dict[str, Any] = {"source": "archive", "archive": {"influxdb": ENTRY}}
    assert present([image("influxdb:1.12.4")], **change)["influxdb"]["archive_sha256"] == "f00"
    other = [image("influxdb:1.12.4", "sha256:bb")]
    assert not present(other, **change)
    assert present(other, {"influxdb": {"id": "sha256:bb", "archive_sha256": "f00"}}, **change)
    assert not present(other, {"influxdb": {"id": "sha256:bb", "archive_sha256": "0ld"}}, **change)


def test_only_entries_of_the_wanted_version_count() -> None:
    assert archived_images([ENTRY], {"influxdb": "1.12.4"}) == {"influxdb": ENTRY}
    assert archived_images([ENTRY], {"influxdb": "1.8.10"}) == {}


@pytest.mark.parametrize(
    ("change", "listed", "failures", "unreachable", "said"),
    [
        ({}, [], {"grafana": ["g:1 cannot be pulled: gone"]}, "", ["g:1 cannot be pulled: gone", "cannot be built"]),
        ({}, [], {}, "no such host", ["docker.io cannot be reached: no such host", "cannot be built"]),
        (
            {},
            [],
            {"grafana": ["g:1 cannot be pulled: no such host"]},
            "no such host",
            ["docker.io cannot be reached: no such host; no package registry"],
        ),
        ({"source": "build"}, [], {}, "", ["cannot be built"]),
        ({"source": "archive"}, [], {}, "", ["the archive does not list grafana"]),
        ({"source": "archive"}, [{"name": "grafana", "version": "9"}], {}, "", ["the archive has grafana 9"]),
        ({"source": "pull", "repositories": {}}, [], {}, "", ["image_source is pull"]),
    ],
)
def test_excuses_say_what_was_tried(
    change: dict[str, Any], listed: list[dict[str, str]], failures: dict[str, list[str]], unreachable: str,
    said: list[str],
) -> None:  # fmt: skip
    text = excuses_for(["grafana"], PLAN | change, listed, failures, unreachable)["grafana"]
    assert [part for part in said if part not in text] == []


def test_sums_are_read_as_sha256sum_writes_them() -> None:
    assert sha256sums("aa  one.tar.gz\nbb *two.tar.gz\n\n") == {"one.tar.gz": "aa", "two.tar.gz": "bb"}


def test_the_table_shows_sizes_and_what_is_left_out() -> None:
    details = present([image("influxdb:1.12.4")])
    assert images_table(details, {"grafana": "nobody has it"}) == [
        "influxdb  12 MB  pull  influxdb:1.12.4", "grafana: nobody has it"
    ]  # fmt: skip


def ours(name: str, identity: str, *tags: str) -> dict[str, Any]:
    return {"Id": identity, "RepoTags": list(tags) or ["<none>:<none>"], "Labels": {"influx-anomaly.image": name}}


ENGINE: dict[str, Any] = {
    "images": [
        ours("debian", "1", "influx-anomaly/debian:13"),
        ours("toolchain", "2", "influx-anomaly/toolchain:go"),
        ours("kapacitor", "3", "influx-anomaly/kapacitor:1"),
        ours("kapacitor-python", "4", "influx-anomaly/kapacitor-python:1"),
        ours("influxdb", "5", "influx-anomaly/influxdb:1", "mirror:5000/influx-anomaly/influxdb:2"),
        ours("build-stage", "6"),
        # Somebody's own, built on ours, with the label that it inherits.
        ours("kapacitor-python", "7", "somebody/kapacitor-python:1"),
        ours("debian", "8", "influx-anomaly/debian-tools:1"),
    ],
    "containers": [],
}
BASES = ["debian", "toolchain", "kapacitor", "build-stage"]


def container(image_id: str, stack: str | None) -> dict[str, Any]:
    return {"ImageID": image_id, "Labels": {"influx-anomaly.stack": stack} if stack else None}


# What the stack's containers ran from, or its record has.
NAMED = ["4", "5"]


def removed(*containers: dict[str, Any], named: Sequence[str] = NAMED, **engine: Any) -> list[str]:
    seen = ENGINE | engine | {"containers": list(containers)}
    return [item["tag"] for item in teardown_images(seen, "mine", named, BASES)]


def test_a_stacks_images_go_and_with_the_last_ones_what_they_are_built_on() -> None:
    assert removed(container("4", "mine")) == [
        "influx-anomaly/influxdb:1", "influx-anomaly/kapacitor-python:1", "mirror:5000/influx-anomaly/influxdb:2", "6",
        "influx-anomaly/kapacitor:1", "influx-anomaly/toolchain:go", "influx-anomaly/debian:13",
    ]  # fmt: skip


def test_an_image_that_the_stack_does_not_name_stays_with_what_it_is_built_on() -> None:
    """Another stack may name it: one that was removed with its data kept, or that is about to be deployed."""
    assert removed(named=["5"]) == ["influx-anomaly/influxdb:1", "mirror:5000/influx-anomaly/influxdb:2"]
    assert removed(named=[]) == []


def test_images_that_others_are_built_on_stay_where_no_image_of_the_stack_goes() -> None:
    """Another stack's build may have come this far."""
    bases = [image for image in ENGINE["images"] if image["Labels"]["influx-anomaly.image"] in BASES[:3]]
    assert bases
    assert removed(named=[], images=bases) == []
    assert removed(named=[image["Id"] for image in bases], images=bases) == []


def test_a_former_build_without_a_name_keeps_nothing() -> None:
    images = [*ENGINE["images"], ours("kapacitor-python", "9")]
    assert removed(images=images) == removed()


def test_what_another_stack_runs_from_stays_and_what_it_would_be_rebuilt_on_too() -> None:
    assert removed(container("5", "other")) == ["influx-anomaly/kapacitor-python:1"]


def test_a_stack_with_images_of_its_own_keeps_all_that_images_are_built_on() -> None:
    assert removed(container("10", "other")) == [
        "influx-anomaly/influxdb:1", "influx-anomaly/kapacitor-python:1", "mirror:5000/influx-anomaly/influxdb:2"
    ]  # fmt: skip


def test_what_a_container_of_nobody_runs_from_stays() -> None:
    assert "influx-anomaly/debian:13" not in removed(container("1", None))
    assert "influx-anomaly/kapacitor:1" in removed(container("1", None))


def test_what_somebody_built_on_ours_stays() -> None:
    named = [*NAMED, "7", "8"]
    assert not [tag for tag in removed(named=named) if "somebody" in tag or "debian-tools" in tag]


def test_a_record_tells_what_a_host_has(tmp_path: Path) -> None:
    record = tmp_path / "images.lock.json"
    assert images_recorded(str(record), "a") == {}
    record.write_text('{"hosts": {"a": {"influxdb": {"id": "5"}}}}')
    assert images_recorded(str(record), "a") == {"influxdb": {"id": "5"}}
    assert images_recorded(str(record), "b") == {}
