"""The images as data: their files, arguments, and what they are built on."""

from __future__ import annotations

from dataclasses import dataclass, field

# The newest patch of the Go release that Kapacitor's go.mod names. One for all, so that one toolchain serves all.
GO_VERSION = "1.25.14"
INFLUXDB_VERSIONS = ("1.12.4", "1.8.10")
KAPACITOR_VERSIONS = ("1.8.6",)


@dataclass(frozen=True)
class Image:
    """What an image is made from.

    ``files`` maps a path in the build context to a file or folder of the repository; ``arguments`` are build arguments
    that belong to what the image is; ``bases`` maps build arguments to the images that have to be there first.
    """

    name: str
    title: str
    version: str
    files: dict[str, str]
    arguments: dict[str, str] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    # A stage that takes long and needs only some of the bases: it is built as soon as those are there.
    early_stage: str = ""
    early_bases: tuple[str, ...] = ()
    # Longer ones are started first.
    minutes: float = 0


def catalog(
    influxdb_version: str = INFLUXDB_VERSIONS[0], kapacitor_version: str = KAPACITOR_VERSIONS[0]
) -> dict[str, Image]:
    """All images by name, for these versions of InfluxDB and Kapacitor."""
    installer = {"apt-install": "images/common/apt-install"}
    layer = {**installer, "apt-layer": "images/common/apt-layer"}
    images = (
        Image(
            name="debian",
            title="Debian 13, slim",
            version="13",
            files={".": "images/debian"},
            minutes=0.5,
        ),
        Image(
            name="toolchain",
            title="Go and Rust, to build with",
            version=f"go{GO_VERSION}",
            files={**installer, ".": "images/toolchain"},
            arguments={"GO_VERSION": GO_VERSION},
            bases={"DEBIAN_IMAGE": "debian"},
            minutes=1,
        ),
        Image(
            name="influxdb",
            title="InfluxDB",
            version=influxdb_version,
            files={
                **layer,
                "Dockerfile": "images/influxdb/Dockerfile",
                "entrypoint.sh": "images/influxdb/entrypoint.sh",
                "influxdb.conf": "images/influxdb/influxdb.conf",
                "module": f"images/influxdb/{influxdb_version}",
            },
            arguments={"INFLUXDB_VERSION": influxdb_version},
            bases={"DEBIAN_IMAGE": "debian", "TOOLCHAIN_IMAGE": "toolchain"},
            minutes=3,
        ),
        Image(
            name="kapacitor",
            title="Kapacitor",
            version=kapacitor_version,
            files={
                **layer,
                "Dockerfile": "images/kapacitor/Dockerfile",
                "entrypoint.sh": "images/kapacitor/entrypoint.sh",
                "kapacitor.conf": "images/kapacitor/kapacitor.conf",
                "module": f"images/kapacitor/{kapacitor_version}",
            },
            arguments={"KAPACITOR_VERSION": kapacitor_version},
            bases={"DEBIAN_IMAGE": "debian", "TOOLCHAIN_IMAGE": "toolchain"},
            minutes=4,
        ),
        Image(
            name="kapacitor-python",
            title="Kapacitor with the anomaly UDF",
            version=kapacitor_version,
            files={
                **layer,
                ".": "images/kapacitor-python",
                "entrypoint.sh": "images/kapacitor/entrypoint.sh",
                "kapacitor.conf": "images/kapacitor/kapacitor.conf",
                **{
                    f"udf/{package}/{part}": f"udf/{package}/{part}"
                    for package in ("kapacitor_udf", "anomaly")
                    for part in ("pyproject.toml", "README.md", "src")
                },
                "udf/kapacitor_udf/LICENSE": "udf/kapacitor_udf/LICENSE",
            },
            arguments={"KAPACITOR_VERSION": kapacitor_version},
            bases={"DEBIAN_IMAGE": "debian", "KAPACITOR_IMAGE": "kapacitor"},
            early_stage="venv",
            early_bases=("debian",),
            minutes=2,
        ),
    )
    return {image.name: image for image in images}
