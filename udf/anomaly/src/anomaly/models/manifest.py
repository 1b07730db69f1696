"""The manifest of a model's version: its keys, whether a pipeline can use it, and how two versions differ.

`Manifest` is a manifest as it was read, whatever program wrote it, so every section may be missing. `TrainingRecord` is
what training says of a new version; the store adds what it knows itself. Both own the manifest's keys: no other module
spells them. Needs the standard library only, as the controller reads manifests, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from anomaly import __version__
from anomaly.pipeline import Pipeline

# Raised when files, features or scores are computed otherwise than before: older models are then refused.
SCHEMA = 8
# These differ between any two versions, so they are not told as differences.
_NAMES = frozenset({"version", "created", "parent", "files", "series"})
_UNKNOWN = "of an unknown version"

# A series' tag values, as in `anomaly.windows.arrays`, which needs numpy.
SeriesKey = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RangeRecord:
    """The range that a model was trained on.

    Attributes:
        begin: where it begins, as an RFC 3339 time.
        end: where it ends, as an RFC 3339 time.
        asked: the two texts that the range was made from, such as `24h` and `0s`.
    """

    begin: str | None = None
    end: str | None = None
    asked: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the section for JSON."""
        return _known({"from": self.begin, "to": self.end, "asked": None if self.asked is None else list(self.asked)})

    @classmethod
    def from_json(cls, section: Mapping[str, Any]) -> Self:
        """Return the section that JSON holds."""
        asked = section.get("asked")
        return cls(section.get("from"), section.get("to"), tuple(asked) if isinstance(asked, list) else None)


@dataclass(frozen=True, slots=True)
class CountsRecord:
    """How much a model was trained on.

    Attributes:
        read: the windows that were read.
        windows: the windows that the model was trained on.
        left_out: the windows that could not be scored.
        series: the series in the history.
        points: the points of the field that has most.
    """

    read: int | None = None
    windows: int | None = None
    left_out: int | None = None
    series: int | None = None
    points: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the section for JSON."""
        return _known({name: getattr(self, name) for name in _COUNTS})

    @classmethod
    def from_json(cls, section: Mapping[str, Any]) -> Self:
        """Return the section that JSON holds."""
        return cls(**{name: section.get(name) for name in _COUNTS})


_COUNTS = ("read", "windows", "left_out", "series", "points")


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """Which feedback a model heeds.

    Attributes:
        marks: the ids of all marks that there were.
        left_out: the number of windows that marks kept out of training.
        learned: the ids of false alarms for which the model opens no period.
    """

    marks: tuple[str, ...] = ()
    left_out: int = 0
    learned: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the section for JSON."""
        return {"marks": list(self.marks), "left_out": self.left_out, "learned": list(self.learned)}

    @classmethod
    def from_json(cls, section: Mapping[str, Any]) -> Self:
        """Return the section that JSON holds."""
        marks, learned = (tuple(map(str, section.get(name, ()))) for name in ("marks", "learned"))
        return cls(marks, int(section.get("left_out", 0)), learned)


@dataclass(frozen=True, slots=True)
class KnownPeriodsRecord:
    """What training did with the periods that the results held.

    Attributes:
        left_out: how many windows were left out because they lie in periods.
        kept: the series most of whose windows lie in periods, and are kept.
    """

    left_out: int
    kept: tuple[SeriesKey, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the section for JSON."""
        return {"left_out": self.left_out, "kept": [list(key) for key in self.kept]}


@dataclass(frozen=True, slots=True)
class ContextRecord:
    """Which kinds of context a model uses.

    Attributes:
        used: the kinds that it uses.
        left_out: why it does not use the others, by kind.
        columns: the names of the columns that they add.
    """

    used: tuple[str, ...]
    left_out: Mapping[str, str]
    columns: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the section for JSON."""
        return {"used": list(self.used), "left_out": dict(self.left_out), "columns": list(self.columns)}


@dataclass(frozen=True, slots=True)
class TrendsRecord:
    """Which features rise or fall steadily, so that the model takes that for usual.

    Attributes:
        count: how many features of series do.
        until: until when they are expected to, as an RFC 3339 time.
        steepest: the steepest of them: the series, the feature, and by how much it rises in a day.
    """

    count: int
    until: str
    steepest: tuple[tuple[SeriesKey, str, float], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the section for JSON."""
        steepest = [{"series": list(key), "feature": feature, "a_day": slope} for key, feature, slope in self.steepest]
        return {"count": self.count, "until": self.until, "steepest": steepest}


@dataclass(frozen=True, slots=True)
class SeriesModelsRecord:
    """Which series have a detector of their own.

    Attributes:
        own: the series that have one.
        pooled: the series that share one.
    """

    own: tuple[SeriesKey, ...]
    pooled: tuple[SeriesKey, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the section for JSON."""
        return {"own": [list(key) for key in self.own], "pooled": [list(key) for key in self.pooled]}


@dataclass(frozen=True, slots=True)
class PromiseRecord:
    """Whether severity means what it says.

    Attributes:
        until: the severity up to which the history tells how rare a score is; beyond, it is extrapolated.
        doubts: why it cannot be promised, sentences for people; empty if it can.
    """

    until: float
    doubts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the section for JSON."""
        return {"until": self.until, "doubts": list(self.doubts)}


@dataclass(frozen=True, slots=True)
class CalibrationRecord:
    """The calibration's figures.

    Attributes:
        scores: how many scores it was made from.
        tail: the tail probability from which on it extrapolates.
        excess: by how much a score far beyond that has to rise until it is e times rarer.
        threshold: the score at which a period opens.
        promise: whether severity means what it says; None where nobody looked.
    """

    scores: int
    tail: float
    excess: float
    threshold: float
    promise: PromiseRecord | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the section for JSON."""
        return _known(
            {
                "scores": self.scores,
                "tail": self.tail,
                "excess": self.excess,
                "threshold": self.threshold,
                "promise": None if self.promise is None else self.promise.to_json(),
            }
        )


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a version.

    Attributes:
        sha256: the SHA-256 of its content.
        bytes: its size.
    """

    sha256: str | None
    bytes: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the entry for JSON."""
        return {"sha256": self.sha256, "bytes": self.bytes}


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """What training says of a new version. A section that is None is not written.

    Attributes:
        created: when the version was made, as an RFC 3339 time. With it, `parent` and `challenge` are written even
            where there is none.
        parent: the version that was current then.
        window: the pipeline's window.
        range: the range of the history.
        counts: how much of it there was.
        untrained: how many series had no window to train on, and the first of them with their reasons; None if all had.
        pooled: the series with too little history for a baseline of their own.
        context: the context that the detector uses.
        trends: the features that rise or fall steadily; None if none does.
        models: the series with a detector of their own.
        warm_up: how long a series warms up of which the model has no baseline.
        feedback: the feedback that the model heeds.
        known_periods: what became of windows in periods that the results held.
        seed: the seed of everything random.
        libraries: the versions of the libraries that made the model, by name.
        calibration: the calibration's figures.
        quality: the quality gate's figures.
        challenge: the comparison with the parent.
    """

    created: str | None = None
    parent: str | None = None
    window: str | None = None
    range: RangeRecord | None = None
    counts: CountsRecord | None = None
    untrained: Mapping[str, Any] | None = None
    pooled: Sequence[SeriesKey] | None = None
    context: ContextRecord | None = None
    trends: TrendsRecord | None = None
    models: SeriesModelsRecord | None = None
    warm_up: str | None = None
    feedback: FeedbackRecord | None = None
    known_periods: KnownPeriodsRecord | None = None
    seed: int | None = None
    libraries: Mapping[str, str] | None = None
    calibration: CalibrationRecord | None = None
    quality: Mapping[str, Any] | None = None
    challenge: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the record's sections for JSON, in the manifest's order."""
        sections = {
            "created": self.created,
            "parent": self.parent,
            "window": self.window,
            "range": None if self.range is None else self.range.to_json(),
            "counts": None if self.counts is None else self.counts.to_json(),
            "untrained": None if self.untrained is None else dict(self.untrained),
            "pooled": None if self.pooled is None else [list(key) for key in self.pooled],
            "context": None if self.context is None else self.context.to_json(),
            "trends": None if self.trends is None else self.trends.to_json(),
            "models": None if self.models is None else self.models.to_json(),
            "warm_up": self.warm_up,
            "feedback": None if self.feedback is None else self.feedback.to_json(),
            "known_periods": None if self.known_periods is None else self.known_periods.to_json(),
            "seed": self.seed,
            "libraries": None if self.libraries is None else dict(self.libraries),
            "calibration": None if self.calibration is None else self.calibration.to_json(),
            "quality": None if self.quality is None else dict(self.quality),
            "challenge": None if self.challenge is None else dict(self.challenge),
        }
        always = () if self.created is None else ("parent", "challenge")
        return {name: section for name, section in sections.items() if section is not None or name in always}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two manifests.

    Attributes:
        what: a key of the manifest, with dots.
        before: its value in the first; None where it has none.
        after: its value in the second; None where it has none.
    """

    what: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as it was read. A section that the file lacks is empty or None.

    Attributes:
        schema: the schema of the version's files and scores.
        version: the version's name.
        specification: the pipeline's specification.
        fingerprint: the pipeline's fingerprint.
        features: the names of the features.
        series: the series that the model knows.
        created: when the version was made, as an RFC 3339 time.
        parent: the version that was current then.
        range: the range that the model was trained on.
        counts: how much it was trained on.
        feedback: the feedback that it heeds.
        seed: the seed of everything random.
        libraries: the versions of the libraries that made it, by name.
        files: the version's files, by name.
        content: the whole manifest, as its file has it.
    """

    schema: Any = None
    version: str | None = None
    specification: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    features: tuple[str, ...] | None = None
    series: tuple[SeriesKey, ...] | None = None
    created: str | None = None
    parent: str | None = None
    range: RangeRecord = RangeRecord()
    counts: CountsRecord = CountsRecord()
    feedback: FeedbackRecord = FeedbackRecord()
    seed: int | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, StoredFile] = field(default_factory=dict)
    content: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Manifest":
        """Return the manifest that JSON holds, whatever program wrote it."""
        features, series = content.get("features"), content.get("series")
        return cls(
            schema=content.get("schema"),
            version=content.get("version"),
            specification=_section(content, "specification"),
            fingerprint=content.get("fingerprint"),
            features=None if features is None else tuple(features),
            series=None if series is None else tuple(tuple(map(str, key)) for key in series),
            created=content.get("created"),
            parent=content.get("parent"),
            range=RangeRecord.from_json(_section(content, "range")),
            counts=CountsRecord.from_json(_section(content, "counts")),
            feedback=FeedbackRecord.from_json(_section(content, "feedback")),
            seed=content.get("seed"),
            libraries=_section(content, "libraries"),
            files={
                name: StoredFile(file.get("sha256"), file.get("bytes"))
                for name, file in _section(content, "files").items()
            },
            content=content,
        )

    @classmethod
    def described(
        cls,
        version: str,
        pipeline: Pipeline,
        features: Sequence[str],
        series: Sequence[SeriesKey],
        record: TrainingRecord,
        files: Mapping[str, StoredFile],
    ) -> "Manifest":
        """Return the manifest of a new version.

        Args:
            version: its name.
            pipeline: the pipeline that it is made for.
            features: the names of its features.
            series: the series that it knows.
            record: what training says of it.
            files: its files, by name.

        Returns:
            The manifest, of this program's schema.
        """
        return cls.from_json(
            {
                "schema": SCHEMA,
                "version": version,
                "pipeline": pipeline.name,
                "specification": pipeline.as_dict(),
                "fingerprint": pipeline.fingerprint,
                "features": list(features),
                "series": [list(key) for key in series],
                **record.to_json(),
                "files": {name: file.to_json() for name, file in files.items()},
            }
        )

    @property
    def found(self) -> float | None:
        """The share of planted offsets that the version found when it was trained; None where nobody looked."""
        share = _section(self.content, "quality").get("found")
        return None if share is None else float(share)

    @property
    def untrained(self) -> int:
        """How many series had no window to train on."""
        return int(_section(self.content, "untrained").get("count", 0))

    @property
    def trends(self) -> int:
        """How many features of series rise or fall steadily."""
        return int(_section(self.content, "trends").get("count", 0))

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why severity cannot be promised to mean what it says; empty if it can, or where nobody looked."""
        return tuple(_section(_section(self.content, "calibration"), "promise").get("doubts", ()))

    def known_series(self) -> tuple[SeriesKey, ...]:
        """Return the series that the model knows. Raises KeyError where the manifest does not say."""
        if self.series is None:
            raise KeyError("series")
        return self.series

    def to_json(self) -> dict[str, Any]:
        """Return the manifest for JSON, as its file has it."""
        return dict(self.content)

    def outdated(self) -> str | None:
        """Say why this program cannot use the model, whatever the pipeline; None if it can."""
        if self.schema == SCHEMA:
            return None
        made_by = self.libraries.get("anomaly", _UNKNOWN)
        return (
            f"schema {self.schema!r} in the model, made by anomaly {made_by}, {SCHEMA} in this program, anomaly "
            f"{__version__}, which computes features or scores otherwise"
        )

    def misfit(self, pipeline: Pipeline) -> str | None:
        """Say why the model cannot be used for a pipeline, with the differences by name; None if it can."""
        outdated = self.outdated()
        if outdated is not None or self.fingerprint == pipeline.fingerprint:
            return outdated
        return "; ".join(pipeline.differences(self.specification)) or (
            f"fingerprint: {self.fingerprint} in the model, {pipeline.fingerprint} in the pipeline"
        )

    def facts(self) -> dict[str, Any]:
        """Return the single values by their keys, with dots: `range.from`, `quality.observed_per_day`, and so on."""
        return dict(_flat({key: value for key, value in self.content.items() if key not in _NAMES}, ""))


def differences(before: Manifest, after: Manifest) -> list[Difference]:
    """Compare two manifests.

    Args:
        before: the first.
        after: the second.

    Returns:
        The differences, in the order of the manifests' keys; series that are new or gone come last.
    """
    one, other = before.facts(), after.facts()
    listed = [
        Difference(key, one.get(key), other.get(key)) for key in {**one, **other} if one.get(key) != other.get(key)
    ]
    known, now = set(before.series or ()), set(after.series or ())
    if known != now:
        listed.append(Difference("series that only one has", _named(known - now), _named(now - known)))
    return listed


def _known(section: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in section.items() if value is not None}


def _section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = content.get(name)
    return section if isinstance(section, Mapping) else {}


def _flat(mapping: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _named(keys: set[SeriesKey]) -> list[str]:
    return sorted(", ".join(key) for key in keys)
