"""Agreement beyond chance: the score beside a list of all shuffles."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from skalign.metrics import agreement_score
from skalign.metrics._agreement import agreement_test

relaxed = settings(deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
sizes = st.integers(2, 6)
class_counts = st.integers(2, 4)


def draw(rng, n, n_classes):
    """Probabilities by both modalities, which agree in part."""
    source = rng.dirichlet(np.ones(n_classes), size=n)
    mixed = source + rng.dirichlet(np.ones(n_classes), size=n)
    return source, mixed / 2


@relaxed
@given(generators, sizes, class_counts)
def test_score_is_the_place_between_all_shuffles_and_the_most(rng, n, n_classes):
    """By listing every shuffle: their mean is 0, and the score is linear in between."""
    source, target = draw(rng, n, n_classes)
    chosen = np.argmax(target, axis=1)
    orders = [list(order) for order in permutations(range(n))]
    sums = np.array([source[np.arange(n), chosen[order]].sum() for order in orders])
    scores = np.array([agreement_score(source, target[order]) for order in orders])
    assert np.mean(scores) == pytest.approx(0, abs=1e-12)
    if len(set(chosen)) > 1:
        most = source.max(axis=1).sum()
        expected = (sums - sums.mean()) / (most - sums.mean())
        np.testing.assert_allclose(scores, expected, atol=1e-9)


@relaxed
@given(generators, class_counts)
def test_pvalue_has_the_deviation_of_all_shuffles(rng, n_classes):
    """Weights stay with the source; the standard score is that of the listed shuffles."""
    source, target = draw(rng, 6, n_classes)
    weights, chosen = rng.uniform(0.5, 3, size=6), np.argmax(target, axis=1)
    mean = weights @ source / weights.sum()
    excess = weights[:, None] * (source - mean)
    sums = [excess[range(6), chosen[list(order)]].sum() for order in permutations(range(6))]
    assert np.mean(sums) == pytest.approx(0, abs=1e-12)
    agreement, pvalue = agreement_test(source, chosen, weights)
    if np.std(sums) > 1e-9:
        assert pvalue == pytest.approx(norm.sf(sums[0] / np.std(sums)))
        assert np.sign(agreement) == np.sign(sums[0])
    else:
        assert (agreement, pvalue) == (0.0, 1.0)


@relaxed
@given(generators, class_counts)
def test_order_of_rows_and_classes_is_no_matter(rng, n_classes):
    source, target = draw(rng, 30, n_classes)
    weight = rng.uniform(size=30)
    score = agreement_score(source, target, sample_weight=weight)
    rows, classes = rng.permutation(30), rng.permutation(n_classes)
    moved = [p[np.ix_(rows, classes)] for p in (source, target)]
    assert agreement_score(*moved, sample_weight=weight[rows]) == pytest.approx(score, abs=1e-12)
    wider = [np.insert(p, 1, 0.0, axis=1) for p in (source, target)]  # a class nobody believes in
    assert agreement_score(*wider, sample_weight=weight) == pytest.approx(score, abs=1e-12)


@relaxed
@given(generators, class_counts)
def test_weights_are_repeats(rng, n_classes):
    """A common factor is nothing, zero weight is absence."""
    source, target = draw(rng, 30, n_classes)
    weight = rng.integers(0, 4, size=30)
    weight[:5] = 1
    repeated = agreement_score(*(np.repeat(p, weight, axis=0) for p in (source, target)))
    for factor in (1, 0.3):
        score = agreement_score(source, target, sample_weight=factor * weight)
        assert score == pytest.approx(repeated, abs=1e-12)
    source[weight == 0] = np.eye(n_classes)[0]
    assert agreement_score(source, target, sample_weight=weight) == pytest.approx(score, abs=1e-12)


@relaxed
@given(generators, class_counts)
def test_one_is_the_most_and_only_decisions_count(rng, n_classes):
    """The source's own decisions score 1, no others more; confidence of the target is nothing."""
    source, target = draw(rng, 30, n_classes)
    score = agreement_score(source, target)
    assert score <= 1 + 1e-12
    sharper = target**3 / np.sum(target**3, axis=1, keepdims=True)
    assert agreement_score(source, sharper) == agreement_score(source.tolist(), target.tolist())
    if len(set(np.argmax(source, axis=1))) > 1:
        assert agreement_score(source, source) == pytest.approx(1)


@relaxed
@given(generators, class_counts)
def test_swapping_two_decisions_for_the_better_helps(rng, n_classes):
    """Shares of decisions are kept, so that only the source's consent changes."""
    source, target = draw(rng, 30, n_classes)
    i, j = rng.choice(30, size=2, replace=False)
    swapped = target.copy()
    swapped[[i, j]] = target[[j, i]]
    a, b = np.argmax(target, axis=1)[[i, j]]
    gain = source[i, b] + source[j, a] - source[i, a] - source[j, b]
    change = agreement_score(source, swapped) - agreement_score(source, target)
    if abs(gain) > 1e-9:
        assert np.sign(change) == np.sign(gain)
    else:
        assert change == pytest.approx(0, abs=1e-7)


@relaxed
@given(generators, class_counts, st.integers(1, 30))
def test_zero_where_shuffling_changes_nothing(rng, n_classes, n):
    """Exactly: one decision always, a source that says one thing only, a single pair."""
    source, target = draw(rng, n, n_classes)
    weight = rng.uniform(0.5, 3, size=n)
    for sample_weight in (None, weight):
        for flat in (source[:1], np.full((1, n_classes), 1 / n_classes)):
            assert agreement_score(np.repeat(flat, n, axis=0), target) == 0
            always = np.repeat(flat, n, axis=0)
            assert agreement_score(source, always, sample_weight=sample_weight) == 0
    assert agreement_score(source[:1], target[:1]) == 0


@pytest.mark.parametrize("name", ["source_proba", "target_proba"])
def test_messages_name_the_probabilities(name):
    good = np.full((4, 2), 0.5)

    def score(bad):
        return agreement_score(**{"source_proba": good, "target_proba": good} | {name: bad})

    with pytest.raises(ValueError, match=f"{name} must be 2-D, got 1"):
        score(good[0])
    with pytest.raises(ValueError, match=f"{name} is empty"):
        score(good[:0])
    with pytest.raises(ValueError, match=f"{name} contains NaN"):
        score(np.where([[0], [0], [1], [0]], np.nan, good))
    with pytest.raises(ValueError, match=f"{name} must hold .* row 1 has minimum -0.5 and sum 1"):
        score([[0.5, 0.5], [1.5, -0.5], [1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match=f"{name} must hold .* sum 1.2"):
        score([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.6, 0.6]])
    with pytest.raises(ValueError, match=f"{name} has shape|but source_proba has"):
        score(good[:3])
    with pytest.raises(ValueError, match="both hold the same pairs and classes"):
        score(np.full((4, 3), 1 / 3))


@pytest.mark.parametrize("weight", [[-1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, np.nan], [1, 1], 1.0])
def test_bad_weights_are_refused(weight):
    proba = np.full((4, 2), 0.5)
    with pytest.raises(ValueError, match="sample_weight"):
        agreement_score(proba, proba, sample_weight=weight)
