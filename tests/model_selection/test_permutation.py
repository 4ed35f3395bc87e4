"""Whether modalities share anything, by permutations of rows and of groups."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import binom, norm, t
from sklearn.covariance import oas

from skalign._utils._rows import members_of, shuffled_rows
from skalign.model_selection import permutation_test

LAWS = {
    "Gaussian": lambda Z: Z,
    "heavy tails": lambda Z: t.ppf(norm.cdf(Z), 3),
    "lognormal": np.exp,
    "one-hot": lambda Z: np.eye(3)[Z.argmax(axis=1)],
}


def walks(rng, n_groups, n, memory, width=6):
    """AR(1) series of unit variance, each about a level of its own."""
    steps = np.sqrt(1 - memory**2) * rng.normal(size=(n_groups, 80 + n, width))
    walk = lfilter([1], [1, -memory], steps, axis=1)[:, 80:]
    levels = rng.normal(size=(n_groups, 1, width))
    return (walk + (memory > 0) * levels).reshape(-1, width)


def pvalues(draws, law, shape, memory, grouped, common=0.0):
    """P-values of pairs of which so much is common, 99 permutations each."""
    found = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        Z = walks(rng, *shape, memory)
        Z[:, 3] = np.sqrt(1 - common) * Z[:, 3] + np.sqrt(common) * Z[:, 0]
        X = np.hstack([LAWS[law](Z[:, :3]), LAWS[law](Z[:, 3:])])
        groups = np.repeat(np.arange(shape[0]), shape[1]) if grouped else None
        options = {"groups": groups, "n_permutations": 99, "random_state": seed}
        found.append(permutation_test(X, **options)[2])
    return np.array(found)


def not_more_often(found, level):
    """Whether no more p-values reach a level than chance allows, at one in a thousand."""
    return np.sum(found <= level) <= binom.ppf(0.999, len(found), level)


@pytest.mark.parametrize("law", LAWS)
def test_rows_drawn_apart_hold_the_level(law):
    """Whatever their law, and no more often than that; nor much more rarely."""
    found = pvalues(300, law, (40, 1), 0.0, grouped=False)
    for level in (0.05, 0.1, 0.2, 0.5):
        assert not_more_often(found, level)
        assert np.sum(found <= level) >= binom.ppf(0.001, len(found), level)


@pytest.mark.parametrize("law", LAWS)
def test_groups_hold_the_level_where_rows_do_not(law):
    """Series of ten subjects that know nothing of each other fool a permutation of rows."""
    shape = (10, 15)
    grouped = pvalues(300, law, shape, 0.9, grouped=True)
    for level in (0.05, 0.1, 0.2, 0.5):
        assert not_more_often(grouped, level)
    assert not not_more_often(pvalues(30, law, shape, 0.9, grouped=False), 0.05)


@pytest.mark.parametrize("shape", [(1, 300), (3, 120)])
def test_few_long_series_hold_the_level(shape):
    """They are turned round in a circle; a p-value can be small all the same."""
    found = pvalues(200, "Gaussian", shape, 0.8, grouped=True)
    for level in (0.05, 0.2, 0.5):
        assert not_more_often(found, level)
    assert np.mean(pvalues(20, "Gaussian", shape, 0.5, grouped=True, common=0.6) <= 0.05) > 0.8


def test_groups_see_what_is_shared():
    """Between modalities of subjects that share a third of a column's variance."""
    assert np.mean(pvalues(20, "Gaussian", (12, 30), 0.5, grouped=True, common=0.5) <= 0.05) > 0.8


@pytest.mark.parametrize("shared", [0, 2])
def test_scores_are_correlations_of_shrunk_covariances(shared):
    """By the covariances of scikit-learn; permutations depend on the seed alone."""
    X = np.random.default_rng(0).normal(size=(60, 7)) * np.arange(1, 8) + 5
    X[:, 4 : 4 + shared] += 6 * X[:, :shared]
    X[:, 1] += X[:, 0]
    score, scores, pvalue = permutation_test(X, modalities=[4, 3], n_permutations=19)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    whites = []
    for block in (Z[:, :4], Z[:, 4:]):
        values, axes = np.linalg.eigh(oas(block, assume_centered=True)[0])
        whites.append(block @ (axes / np.sqrt(values)))
    found = np.linalg.svd(whites[0].T @ whites[1] / 60, compute_uv=False)
    assert score == pytest.approx(np.sum(found**4) ** 0.25, rel=1e-9)
    assert scores.shape == (19,) and pvalue == (1 + np.sum(scores >= score)) / 20
    assert (pvalue == 1 / 20) == (shared > 0)
    again = permutation_test(X * 7 - 3, modalities=[4, 3], n_permutations=19)
    np.testing.assert_allclose(again[1], scores)
    other = permutation_test(X, modalities=[4, 3], n_permutations=19, random_state=1)
    assert not np.allclose(other[1], scores)


def test_three_modalities_and_rows_that_lack_one():
    """Names of a frame, columns beside, rows without a block: what counts are the pairs."""
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(80, 6))
    Z[:, 4] += 2 * Z[:, 0]
    X = pd.DataFrame(Z, columns=list("abcdef")).assign(who="someone")
    blocks = {"one": ["b", "a"], "two": ["c", "d"], "three": ["e", "f"]}
    found = permutation_test(X, modalities=blocks, groups=np.arange(80) // 2)
    assert found[2] == 1 / 500
    lacking = X.iloc[:9].copy()
    lacking[["c", "d"]] = np.nan
    groups = np.append(np.arange(9) % 2, np.arange(80) // 2)
    more = permutation_test(pd.concat([lacking, X]), modalities=blocks, groups=groups)
    assert more[0] == pytest.approx(found[0], rel=1e-9)
    np.testing.assert_allclose(more[1], found[1])
    two = {"one": ["a", "b"], "two": ["c", "d"]}
    assert permutation_test(X, modalities=two)[2] > 0.05


def test_what_cannot_be_told_is_no_evidence():
    """Permutations that all come out alike; a block that is constant; a single group's row."""
    X = np.repeat(np.eye(4)[[0, 1]], 2, axis=0)
    X[[0, 2], 2:] = [[0, 1], [1, 0]]
    X[[1, 3], 2:] = [[1, 0], [0, 1]]
    assert permutation_test(X)[2] > 0.5
    Z = np.random.default_rng(0).normal(size=(30, 4))
    for constant in (1.0, 0.1, 1e9):
        Z[:, 2:] = constant
        assert permutation_test(Z)[::2] == (0.0, 1.0)


def test_groups_of_unequal_sizes_lose_little():
    """A group that stands for a longer one counts once a row, and blocks stay white."""
    rng, sizes = np.random.default_rng(0), [3, 30, 12, 5, 20, 8, 16, 26]
    X = rng.normal(size=(120, 6))
    X[:, 3:] = 0.7 * X[:, :3] + X[:, 3:]
    score, scores, pvalue = permutation_test(X, groups=np.repeat(np.arange(8), sizes))
    assert pvalue == 1 / 500
    assert scores.max() < score < 1


@pytest.mark.parametrize("sizes", [[1, 1, 1], [5] * 8, [3, 9, 1, 4, 4, 2, 7, 6], [2, 7]])
def test_groups_meet_groups(sizes):
    """Each as a whole one other, in its order, of equal sizes each row once."""
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(len(sizes)), sizes)
    mixed = rng.permutation(groups)
    members = members_of(mixed)
    assert [set(mixed[rows]) for rows in members] == [{g} for g in dict.fromkeys(mixed)]
    for _ in range(20):
        order = shuffled_rows(len(mixed), members, rng)
        partners = [order[rows] for rows in members]
        met = [set(mixed[rows]) for rows in partners]
        assert sorted(g for (g,) in met) == sorted(set(groups))
        turned = [np.sum(np.diff(rows) < 0) for rows in partners]
        assert max(turned) <= (len(sizes) < 7)
        if len(set(sizes)) == 1:
            assert sorted(order) == list(range(len(mixed)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": np.zeros(5)}, "inconsistent"),
        ({"groups": np.zeros((20, 2))}, "1D"),
        ({"groups": [None, *range(19)]}, "row 0"),
        ({"n_permutations": 0}, "n_permutations"),
        ({"modalities": [3, 2]}, "sum to 5"),
        ({"X": np.full((20, 4), np.nan)}, "0 pairs"),
    ],
)
def test_bad_input(change, message):
    """What misfits is said."""
    X = change.pop("X", np.random.default_rng(0).normal(size=(20, 4)))
    with pytest.raises(ValueError, match=message):
        permutation_test(X, **change)
