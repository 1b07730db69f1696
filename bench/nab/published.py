"""NAB's own figures, where a checkout ships them: our scoring of its detectors' results has to give equal ones.

The figures are those at the thresholds that NAB ships. Some thresholds are older than the results, and are not the best
any more.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.nab.corpus import Series, read_results
from bench.nab.scoring import PROFILES, CorpusScorer

# NAB writes its figures with all their digits.
_TOLERANCE = 1e-6


class Figure(NamedTuple):
    """The score of one of NAB's detectors in a profile, as published and as scored here."""

    detector: str
    profile: str
    published: float
    ours: float

    @property
    def agrees(self) -> bool:
        """Whether the two figures are equal."""
        return abs(self.published - self.ours) <= _TOLERANCE


def figures(checkout: Path, corpus: Sequence[Series]) -> Iterator[Figure]:
    """Compare the figures of every detector and profile.

    Args:
        checkout: of numenta/NAB.
        corpus: all series.

    Yields:
        Each figure; none where the checkout publishes nothing.

    Raises:
        CorpusError: a detector's results are missing.
    """
    results = checkout / "results"
    published = results / "final_results.json"
    if not published.exists():
        return
    scorer = CorpusScorer(corpus)
    thresholds = json.loads((checkout / "config" / "thresholds.json").read_text(encoding="utf-8"))
    for detector, scores in json.loads(published.read_text(encoding="utf-8")).items():
        emitted = [read_results(results, detector, series) for series in corpus]
        for name, profile in PROFILES.items():
            ours = scorer.at(emitted, thresholds[detector][name]["threshold"], profile).score
            yield Figure(detector, name, scores[name], ours)
