"""Learning a modality from what another one says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from skalign._pooling import pool_weights, sharpness
from skalign._student import Anchors, learn
from sklearn.mixture import GaussianMixture

from skalign import CrossModalTransferClassifier, NullSpaceAligner, _student, _tied
from skalign.datasets import make_paired_gaussians
from skalign.metrics._agreement import agreement_test

few = settings(max_examples=20, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def clusters(rng, n=120, d=3, gap=3.0):
    """Two classes, and a posterior that is right four times in five."""
    labels = rng.integers(2, size=n)
    X = rng.normal(size=(n, d)) + gap * labels[:, None] * np.eye(d)[0]
    logit = 1.5 * (2 * labels - 1) + 1.5 * rng.normal(size=n)
    proba = 1 / (1 + np.exp(-logit))
    return X, labels, np.column_stack([1 - proba, proba])


@few
@given(generators)
def test_a_student_beats_its_teacher_where_the_target_knows_more(rng):
    """Doubt of the source is averaged out over the pairs."""
    X, labels, posterior = clusters(rng, n=300, gap=5.0)
    student = learn(X, posterior, np.ones(300))
    chosen = np.argmax(student.law.class_proba(student.axes.scores(X)), axis=1)
    assert np.mean(chosen == labels) >= np.mean(np.argmax(posterior, axis=1) == labels)
    assert np.mean(chosen == labels) > 0.95
    assert student.pvalue < 1e-6
    assert student.agreement > 0.5


def test_some_of_many_points_choose_for_all():
    """A tenth of the rows chooses temper and pooling; all rows have classes, and much the same."""
    X, _, posterior = clusters(np.random.default_rng(2), n=4000, gap=2.0)
    whole = learn(X, posterior, np.ones(4000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tied, "CHOICE_ROWS", 400)
        patch.setattr(_student, "CHOICE_ROWS", 400)
        part = learn(X, posterior, np.ones(4000))
    assert part.resp.shape == posterior.shape
    proba = [s.law.class_proba(s.axes.scores(X)) for s in (whole, part)]
    assert np.mean(np.argmax(proba[0], axis=1) == np.argmax(proba[1], axis=1)) > 0.98
    assert np.abs(proba[0] - proba[1]).max() < 0.1
    assert part.agreement == pytest.approx(whole.agreement, abs=0.1)


def test_a_lift_without_weight_is_dropped():
    """Classes apart by a hyperplane: no landmark is kept, nothing is asked of the kernel."""
    X, _, posterior = clusters(np.random.default_rng(0), n=400)
    with pytest.MonkeyPatch.context() as patch:
        pool = _student.pool_weights
        patch.setattr(_student, "pool_weights", lambda s, *rest: [*pool(s[:1], *rest), 0.0])
        law = learn(X, posterior, np.ones(400)).law
    assert len(law.landmarks) == len(law.lifted) == 0
    Z = X @ np.eye(3, law.linear.shape[0])
    np.testing.assert_allclose(
        law.class_proba(Z), softmax(Z @ law.linear + law.intercept, axis=1), atol=1e-12
    )
    assert law.widened([0, 2], 3).class_proba(Z)[:, 1].max() == 0


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
            student = learn(X[:12], posterior, np.ones(12), anchors)
            proba = student.law.class_proba(student.axes.scores(X[12:]))
            accuracy.append(np.mean(np.argmax(proba, axis=1) == labels[12:]))
        gain.append(np.subtract(accuracy[1:], accuracy[0]))
    helped, misled = np.mean(gain, axis=0)
    assert helped > 0.05
    assert misled > -0.05


def test_anchors_are_no_evidence():
    """They have seen the pairs; agreement and p-value are of decisions that have not."""
    X, _, posterior = clusters(np.random.default_rng(0))
    anchors = everywhere(X[:2] + 1.0, len(X))
    plain, anchored = (learn(X, posterior, np.ones(len(X)), a) for a in (None, anchors))
    assert plain.agreement == anchored.agreement
    assert plain.pvalue == anchored.pvalue
    assert anchored.resp.shape == posterior.shape


def test_a_law_that_is_not_linear_is_found():
    """A ring around a disc: the kernel speaks."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=400)
    angle, radius = rng.uniform(0, 2 * np.pi, 400), 1 + 3 * labels + 0.3 * rng.normal(size=400)
    X = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    posterior = np.where(np.eye(2)[labels] == 1, 0.8, 0.2)
    student = learn(X, posterior, np.ones(400))
    chosen = np.argmax(student.law.class_proba(student.axes.scores(X)), axis=1)
    assert np.mean(chosen == labels) > 0.97


def test_probabilities_are_calibrated_to_the_source():
    """A source that is sure and right: of new samples called p, about p are of the class."""
    X, labels, _ = clusters(np.random.default_rng(1), n=4000, gap=2.0)
    student = learn(X[:2000], np.eye(2)[labels[:2000]], np.ones(2000))
    proba = student.law.class_proba(student.axes.scores(X[2000:]))[:, 1]
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
        student = learn(X, rng.permutation(posterior), np.ones(len(X)))
        pvalues.append(student.pvalue)
        agreements.append(student.agreement)
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
def test_pool_weights_are_calibration(rng):
    """Discriminants that are too sharp by a factor are divided by it."""
    scores = 2 * rng.normal(size=(3000, 3))
    proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    pool = pool_weights([4 * scores, rng.normal(size=scores.shape)], proba, np.ones(3000))
    np.testing.assert_allclose(pool, [0.25, 0.0], atol=0.02)


def test_sharpness_counts_doubt_once():
    """A law that carries the source's doubt is sharpened beside it, an honest one is not."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=4000)
    source = rng.normal(size=4000) + (2 * labels - 1) * 0.5
    target = rng.normal(size=4000) + (2 * labels - 1) * 1.5
    posterior = 1 / (1 + np.exp(-np.column_stack([-1.0 * source, 1.0 * source])))
    honest = np.column_stack([-1.5 * target, 1.5 * target])
    assert 0.8 <= sharpness(honest, posterior, np.ones(4000)) <= 1.3
    assert 2.5 <= sharpness(honest / 4, posterior, np.ones(4000)) <= 6.5


def test_sharpness_is_not_chosen_by_rounding():
    """Where nothing is in doubt every power is as good: the mildest is taken."""
    sure = np.eye(3)[np.arange(30) % 3]
    assert sharpness(1e5 * sure, sure, np.ones(30)) == 1.0


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
