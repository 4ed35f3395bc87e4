"""Learning a modality from what another one says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.mixture import GaussianMixture

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.metrics._agreement import agreement_test
from skalign.transfer import _discriminant, _kernel
from skalign.transfer._discriminant import (
    EXPONENTS,
    RIDGES,
    affordable_rows,
    best_discriminant,
    inverse_temperature,
)
from skalign.transfer._distillation import (
    concentration_bound,
    decisions_pvalue,
    distil,
    permutation_pvalue,
)
from skalign.transfer._kernel import calibrate
from skalign.transfer._task import Anchors, Standardization, TransferTask

few = settings(max_examples=20, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def clusters(rng, n=120, d=3, gap=3.0):
    """Two classes, and a posterior that is right four times in five."""
    labels = rng.integers(2, size=n)
    X = rng.normal(size=(n, d)) + gap * labels[:, None] * np.eye(d)[0]
    logit = 1.5 * (2 * labels - 1) + 1.5 * rng.normal(size=n)
    proba = 1 / (1 + np.exp(-logit))
    return X, labels, np.column_stack([1 - proba, proba])


def task_of(X, posterior, weights=None, anchors=None):
    """A task of pairs that are all different, their features of comparable scales."""
    weights, rows = np.ones(len(X)) if weights is None else weights, np.arange(len(X))
    mean, unit = np.average(X, axis=0, weights=weights), np.ones(X.shape[1])
    standard = Standardization(mean, unit, unit, None)
    if anchors is not None:
        folds = [(held, standard.apply(points)) for held, points in anchors.folds]
        anchors = Anchors(standard.apply(anchors.points), anchors.classes, folds)
    nothing = np.zeros((0, X.shape[1])), np.zeros(0)
    points = standard.apply(X)
    none = np.zeros(len(X), dtype=bool)
    return TransferTask(points, posterior, weights, *nothing, standard, rows, rows, none, anchors)


def predict_proba(model, X):
    """Class probabilities of features by a target model."""
    if model.encoder is not None:
        coef, mean, _ = model.encoder
        X = (X - mean) @ coef.T
    return model.predictor.predict_proba(X)


@few
@given(generators)
def test_the_target_beats_its_source_where_it_knows_more(rng):
    """Doubt of the source is averaged out over the pairs."""
    X, labels, posterior = clusters(rng, n=300, gap=5.0)
    model = distil(task_of(X, posterior))
    chosen = np.argmax(predict_proba(model, X), axis=1)
    assert np.mean(chosen == labels) >= np.mean(np.argmax(posterior, axis=1) == labels)
    assert np.mean(chosen == labels) > 0.95
    assert model.pvalue <= 4 / 2000  # of 1999 shuffles none agrees as much
    assert model.agreement > 0.5


def test_some_of_many_points_choose_for_all():
    """A tenth of the rows chooses exponent and pooling; all rows have classes, much the same."""
    X, _, posterior = clusters(np.random.default_rng(2), n=4000)
    task = task_of(X, posterior)

    def learned():
        chosen = best_discriminant(
            task.points, posterior, task.weights, affordable_rows(4000, 2), EXPONENTS, RIDGES
        )
        return distil(task), chosen

    whole, of_all = learned()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_discriminant, "CHOICE_ROWS", 400)
        part, of_some = learned()
    assert len(of_all.own) == 4000
    assert len(of_some.own) == 400
    assert of_some.resp.shape == posterior.shape
    proba = [predict_proba(model, X) for model in (whole, part)]
    assert np.mean(np.argmax(proba[0], axis=1) == np.argmax(proba[1], axis=1)) > 0.98
    assert np.abs(proba[0] - proba[1]).max() < 0.1
    assert part.agreement == pytest.approx(whole.agreement, abs=0.1)


def test_a_kernel_without_weight_is_dropped():
    """No landmark is kept, nothing is asked of the kernel; the same as none from the start."""
    X, _, posterior = clusters(np.random.default_rng(0), n=400)
    task = task_of(X, posterior)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_kernel, "calibrate", lambda s, *rest: [*calibrate(s[:1], *rest), 0.0])
        dropped = distil(task, directions=False, forest=False)
    without = distil(task, kernel=False, directions=False, forest=False)
    Z = np.random.default_rng(1).normal(size=(50, 3))
    for target in (dropped, without):
        model = target.predictor
        assert len(model.landmarks) == model.dual_coef.shape[1] == 0
        np.testing.assert_allclose(
            model.predict_proba(Z),
            softmax((Z - model.mean) @ model.coef.T + model.intercept, axis=1),
            atol=1e-12,
        )
        assert model.widened([0, 2], 3).predict_proba(Z)[:, 1].max() == 0
        np.testing.assert_allclose(predict_proba(target, X), predict_proba(without, X))
    assert dropped.inverse_temperature == without.inverse_temperature


def everywhere(points, n, n_folds=4):
    """Anchors, one a class, that are the same in each fold."""
    folds = [(np.arange(f, n, n_folds), points) for f in range(n_folds)]
    return Anchors(points, np.arange(len(points)), folds)


def test_anchors_help_where_pairs_are_few_and_are_dropped_where_they_mislead():
    """Three pairs a class in forty dimensions, and where the classes lie from elsewhere."""
    gain = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        centers = rng.normal(size=(4, 40))
        labels = np.repeat(np.arange(4), [3, 3, 3, 200])
        labels[12:] = np.arange(len(labels) - 12) % 4
        X = centers[labels] + 2.5 * rng.normal(size=(len(labels), 40))
        posterior = 0.8 * np.eye(4)[labels[:12]] + 0.05
        accuracy = []
        for anchors in (None, everywhere(centers, 12), everywhere(centers[::-1], 12)):
            proba = predict_proba(distil(task_of(X[:12], posterior, anchors=anchors)), X[12:])
            accuracy.append(np.mean(np.argmax(proba, axis=1) == labels[12:]))
        gain.append(np.subtract(accuracy[1:], accuracy[0]))
    helped, misled = np.mean(gain, axis=0)
    assert helped > 0.05
    assert misled > -0.05


def moved(task, shift):
    """The same task in coordinates of another origin."""
    standard, anchors = task.standardization, task.anchors
    standard = replace(standard, mean=standard.mean - shift / standard.unit)
    if anchors is not None:
        folds = [(held, points + shift) for held, points in anchors.folds]
        anchors = replace(anchors, points=anchors.points + shift, folds=folds)
    points, unpaired = task.points + shift, task.unpaired + shift
    return replace(
        task, points=points, unpaired=unpaired, standardization=standard, anchors=anchors
    )


@few
@given(generators, st.booleans(), st.booleans())
def test_origin_of_the_coordinates_is_no_matter(rng, with_anchors, kernel):
    """Points have no mean of zero once anchors or unpaired rows stand beside them."""
    X, _, posterior = clusters(rng, n=30, gap=2.0)
    anchors = everywhere(np.array([[0.5, 1, 0], [2.5, 1, 0]]), 30) if with_anchors else None
    unpaired = rng.normal((1.0, 0.5, 0.0), size=(int(rng.integers(2)) * 50, 3))
    task = replace(
        task_of(X, posterior, anchors=anchors),
        unpaired=unpaired,
        unpaired_weights=rng.uniform(0.5, 5, size=len(unpaired)),
    )
    expected = predict_proba(distil(task, kernel=kernel), X)
    found = predict_proba(distil(moved(task, rng.normal(size=3)), kernel=kernel), X)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_anchors_are_no_evidence():
    """They have seen the pairs; agreement and p-value are of decisions that have not."""
    X, _, posterior = clusters(np.random.default_rng(0))
    anchors = everywhere(X[:2] + 1.0, len(X))
    plain, anchored = (distil(task_of(X, posterior, anchors=a)) for a in (None, anchors))
    assert plain.agreement == anchored.agreement
    assert plain.pvalue == anchored.pvalue
    assert anchored.class_prior.shape == plain.class_prior.shape
    assert anchored.class_prior.sum() == pytest.approx(1)


def test_classes_that_are_no_half_spaces_are_found():
    """A ring around a disc: the kernel speaks."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=400)
    angle, radius = rng.uniform(0, 2 * np.pi, 400), 1 + 3 * labels + 0.3 * rng.normal(size=400)
    X = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    posterior = np.where(np.eye(2)[labels] == 1, 0.8, 0.2)
    chosen = np.argmax(predict_proba(distil(task_of(X, posterior)), X), axis=1)
    assert np.mean(chosen == labels) > 0.97
    linear = distil(task_of(X, posterior), kernel=False)
    assert np.mean(np.argmax(predict_proba(linear, X), axis=1) == labels) < 0.8


def test_probabilities_are_calibrated_to_the_source():
    """A source that is sure and right: of new samples called p, about p are of the class."""
    X, labels, _ = clusters(np.random.default_rng(1), n=4000, gap=2.0)
    model = distil(task_of(X[:2000], np.eye(2)[labels[:2000]]))
    proba = predict_proba(model, X[2000:])[:, 1]
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        chosen = (proba >= low) & (proba < low + 0.2)
        assert chosen.sum() > 50
        assert abs(labels[2000:][chosen].mean() - proba[chosen].mean()) < 0.1


def test_shuffled_pairs_agree_by_chance_only():
    """P-values of shuffled pairs are not small, and agreement is about nothing."""
    pvalues, agreements = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X, _, posterior = clusters(rng)
        model = distil(task_of(X, rng.permutation(posterior)))
        pvalues.append(model.pvalue)
        agreements.append(model.agreement)
    assert np.mean(np.array(pvalues) <= 0.05) <= 0.12
    assert abs(np.mean(agreements)) < 0.05


@few
@given(generators, st.integers(2, 4))
def test_agreement_test_is_a_permutation_test(rng, n_classes):
    """Mean and variance over shuffles, by shuffling."""
    posterior = rng.dirichlet(np.ones(n_classes), size=50)
    chosen = rng.integers(n_classes, size=50)
    agreement, pvalue = agreement_test(posterior, chosen, np.ones(50))
    rows = np.arange(50)
    shuffles = np.array([posterior[rows, chosen[rng.permutation(50)]].sum() for _ in range(2000)])
    observed = posterior[rows, chosen].sum()
    assert abs(np.mean(shuffles >= observed) - pvalue) < 0.06
    most = posterior.max(axis=1).sum()
    expected = (observed - shuffles.mean()) / (most - shuffles.mean())
    assert agreement == pytest.approx(expected, abs=0.05)


@few
@given(generators)
def test_pooling_weights_calibrate(rng):
    """Discriminants that are too sharp by a factor are divided by it."""
    scores = 2 * rng.normal(size=(3000, 3))
    proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    pool = calibrate([4 * scores, rng.normal(size=scores.shape)], proba, np.ones(3000))
    np.testing.assert_allclose(pool, [0.25, 0.0], atol=0.02)


def test_inverse_temperature_counts_doubt_once():
    """A model that carries the source's doubt is sharpened beside it, an honest one is not."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=4000)
    source = rng.normal(size=4000) + (2 * labels - 1) * 0.5
    target = rng.normal(size=4000) + (2 * labels - 1) * 1.5
    posterior = 1 / (1 + np.exp(-np.column_stack([-1.0 * source, 1.0 * source])))
    honest = np.column_stack([-1.5 * target, 1.5 * target])
    assert 0.8 <= inverse_temperature(honest, posterior, np.ones(4000)) <= 1.3
    assert 2.5 <= inverse_temperature(honest / 4, posterior, np.ones(4000)) <= 6.5


def test_inverse_temperature_is_not_chosen_by_rounding():
    """Where nothing is in doubt every power is as good: the mildest is taken."""
    sure = np.eye(3)[np.arange(30) % 3]
    assert inverse_temperature(1e5 * sure, sure, np.ones(30)) == 1.0


def test_shuffled_pairs_are_refused_and_true_ones_are_not():
    """Predictions are the class prior, and fit says so."""
    data = make_paired_gaussians(
        300, n_features=(6, 8), n_latent=3, n_classes=3, noise=2.0, random_state=5
    )
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[6, 8]))
    model.fit(data.X, data.y)
    assert model.agreement_ > 0.7
    order = np.random.default_rng(0).permutation(300)
    shuffled = np.hstack([data.X[:, :6], data.X[order, 6:]])
    with pytest.warns(
        UserWarning, match="'modality0' and 'modality1' share nothing beyond chance"
    ):
        model.fit(shuffled, data.y)
    proba = model.predict_proba(data.X)
    np.testing.assert_allclose(proba, np.tile(model.class_prior_, (300, 1)))
    assert abs(model.agreement_) < 0.2


def test_few_pairs_are_tested_by_shuffling_them():
    """At the level of the test where nothing is shared, whatever rows are like; with power."""
    rng, levels, powers = np.random.default_rng(0), [], []
    for draw in range(80):
        posterior = rng.dirichlet(np.full(3, 0.3), size=24)
        heavy = rng.standard_t(2, size=(24, 6)) * (rng.random((24, 6)) < 0.5)
        levels.append(permutation_pvalue(heavy, posterior, np.ones(24), True))
        if draw < 10:
            told = 1.5 * posterior + 0.5 * rng.normal(size=(24, 3))
            powers.append(permutation_pvalue(told, posterior, np.ones(24), True))
    assert np.mean(np.array(levels) <= 0.05) <= 0.13
    assert np.mean(np.array(levels) <= 0.5) > 0.3
    assert np.median(powers) <= 0.01
    assert distil(task_of(heavy, posterior)).pvalue == levels[-1]


@pytest.mark.parametrize("seed", range(12))
def test_shuffled_decisions_agree_less_than_the_bound_allows(seed):
    """Whatever weights, doubt and shares of classes; and it is small where all are right."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(3, rng.choice([0.3, 3.0])))
    y, weights = rng.choice(3, size=40, p=shares), rng.exponential(size=40) ** 2
    posterior = rng.dirichlet(np.full(3, 0.3), size=40)
    told = rng.random(40) < 0.4
    posterior[told] = np.eye(3)[y[told]]
    observed = weights @ posterior[np.arange(40), y]
    orders = [rng.permutation(40) for _ in range(3000)]
    shuffled = [weights @ posterior[np.arange(40), y[order]] for order in orders]
    bound = concentration_bound(posterior, y, weights)
    assert np.mean(np.array(shuffled) >= observed) <= bound + 0.03
    certain = np.eye(4)[np.arange(400) % 4]
    assert concentration_bound(certain, np.arange(400) % 4, np.ones(400)) < 1e-20


def test_decisions_that_few_pairs_carry_are_shuffled():
    """One pair in a class of its own, decided right, is one chance in a hundred, not a proof."""
    posterior, decided = np.full((100, 2), [1.0, 0.0]), np.zeros(100, dtype=int)
    posterior[7], decided[7] = [0.0, 1.0], 1
    pvalue = decisions_pvalue(posterior, decided, np.ones(100), 0.01)
    assert 0.005 < pvalue < 0.02


def test_pairs_that_do_not_vary_are_no_more_alike_than_others():
    """No shuffle changes what they share, which is nothing."""
    posterior = np.random.default_rng(0).dirichlet(np.ones(3), size=12)
    assert permutation_pvalue(np.zeros((12, 2)), posterior, np.ones(12), True) == 1.0


def test_given_components_are_refused_too():
    """Where the aligner finds nothing shared, no mixture helps."""
    data = make_paired_gaussians(
        300, n_features=(6, 8), n_latent=3, n_classes=3, noise=2.0, random_state=5
    )
    model = CrossModalTransferClassifier(
        aligner=NullSpaceAligner(modalities=[6, 8]), mixture=GaussianMixture(3), random_state=0
    )
    assert model.fit(data.X, data.y).score(data.X, data.y) > 0.6
    shuffled = np.hstack([data.X[:, :6], np.random.default_rng(0).permutation(data.X[:, 6:])])
    with pytest.warns(UserWarning, match="share nothing beyond chance"):
        model.fit(shuffled, data.y)
    proba = model.predict_proba(data.X)
    np.testing.assert_allclose(proba, np.tile(model.class_prior_, (300, 1)))
