"""The distribution of each feature in training."""

import numpy as np

from anomaly.models.reference import Reference, bins, reference


def test_bins_are_between_edges_beyond_them_and_on_them() -> None:
    edges = np.arange(9.0)[None, :]
    x = np.array([-5.0, 0.0, 0.5, 1.0, 7.5, 8.0, 99.0])[:, None]
    assert bins(edges, x)[:, 0].tolist() == [0, 1, 2, 3, 16, 17, 18]


def test_a_share_of_windows_is_in_each_bin_and_unknown_ones_do_not_count() -> None:
    x = np.stack([np.arange(1_000.0), np.where(np.arange(1_000) < 100, np.nan, 7.0)], axis=1)

    known = reference(x)

    assert known.windows.tolist() == [1_000, 900]
    np.testing.assert_allclose(known.shares.sum(axis=1), 1.0)
    # A value that was always taken is an edge itself, and the only bin that is used.
    assert known.used.tolist() == [10.0, 1.0]
    assert Reference.from_arrays(known.arrays()).edges.tolist() == known.edges.tolist()
