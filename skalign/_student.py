r"""Learn a modality from what another one says of the pairs. Arrays in, arrays out.

The source gives soft labels :math:`p(c \mid x_1)` of the pairs. Given its class, a sample's
modalities are taken as independent, so that its class is

.. math:: r_c \propto p(c \mid x_1) \; p(x_2 \mid c)^\lambda ,

at the fixed point of an EM in which the source's posterior stays a factor. How far the target
may argue, :math:`\lambda`, is chosen by how well its own leave-one-out decisions agree with the
source: no label of the target is seen. Where pairs are few, the labelled rows of the source help:
what the aligner makes of their class means are anchors of the classes in the target, taken if
cross-validation finds decisions no worse with them and cross-entropy better: with aligners that
have not seen the held-out pairs. Rows that lack the source take part, too: what the law makes of
them is the posterior that stays their factor when the law is learned again, with them.

Two laws speak for the target, both Gaussian with one covariance for all classes: one of its
features, one of their lift by a Gaussian kernel. They are pooled as
:math:`\log p(c \mid x_2) = a\,d_c(x_2) + b\,d'_c(x_2) + \text{const}`, with the weights that bring
their leave-one-out discriminants closest to :math:`r`; that calibrates them, too.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, softmax

from ._chance import beyond_chance
from ._lift import lifted_law
from ._pooling import pool_weights, sharpness
from ._student_law import StudentLaw
from ._tied import (
    CHOICE_ROWS,
    Principal,
    TiedPoints,
    affordable_rows,
    principal_axes,
    spread_rows,
)

TEMPERS = (0.0, 0.3)
# Pairs that an anchor of a class is worth; anchors are left out where all of them together weigh
# less than this share of the pairs.
ANCHOR_WEIGHTS = (5.0, 20.0)
ANCHOR_SHARE = 0.1
# Rows that lack the source count as so many times the pairs at most, all of them together, and
# so many of them take part, or so many times the pairs.
ALONE_WEIGHT = 3.0
ALONE_ROWS = 2000
ALONE_SHARE = 10
MAX_ITER = 20
TOLERANCE = 1e-3
TINY = 1e-12


@dataclass(frozen=True)
class Student:
    """What :func:`learn` finds."""

    axes: Principal  # of the modality's features
    law: StudentLaw  # of scores along these axes
    resp: np.ndarray  # (n, C): classes of the pairs
    sharpness: float  # power of the law beside the source's own word
    agreement: float  # with the source, leave-one-out: 0 is chance, 1 the most there can be
    pvalue: float  # of that agreement, were the pairs shuffled


@dataclass(frozen=True)
class Candidate:
    """Tied laws at their best temper, with or without anchors."""

    axes: Principal
    points: TiedPoints
    resp: np.ndarray  # of all points, anchors last
    own: np.ndarray  # leave-one-out discriminants of the evaluated pairs
    temper: float


@dataclass(frozen=True)
class Anchors:
    """Where classes should lie in a modality, and where they would without some of the pairs."""

    points: np.ndarray  # (a, d)
    classes: np.ndarray  # (a,)
    folds: list[tuple[np.ndarray, np.ndarray]]  # rows held out, points learned without them

    def beside(self, X, posterior, weights, weight, points=None):
        """Pairs and anchors together: features, posterior, weights."""
        if not weight:
            return X, posterior, weights
        points = self.points if points is None else points
        certain = np.eye(posterior.shape[1])[self.classes]
        heavy = np.append(weights, np.full(len(points), weight))
        return np.vstack([X, points]), np.vstack([posterior, certain]), heavy


def learn(X, posterior, weights, anchors=None, alone=None) -> Student:
    """Learn a modality from the posterior of another.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        The modality's features, at comparable scales, of different pairs.
    posterior : ndarray of shape (n, C)
        Class probabilities of the source.
    weights : ndarray of shape (n,)
    anchors : Anchors, optional
        Where some classes should lie in this modality.
    alone : tuple of ndarray of shape (u, d) and ndarray of shape (u,), optional
        Different rows that lack the source, and their weights.
    """
    rows = affordable_rows(len(X), posterior.shape[1])
    chosen = plain = best_temper(X, posterior, weights, rows)
    if anchors is not None and anchors.folds:
        chosen = with_anchors(plain, anchors, X, posterior, weights, rows)
    law, pooled = pooled_law(chosen, weights, rows)
    if alone is not None and len(alone[0]):
        others, light = some_of(alone[0], alone[1], weights)
        believed = np.vstack([posterior, law.class_proba(chosen.axes.scores(others))])
        X, light = np.vstack([X, others]), np.append(weights, light)
        chosen = best_temper(X, believed, light, rows)
        law, pooled = pooled_law(chosen, light, rows)
    power = sharpness(pooled, posterior[rows], weights[rows])
    # neither anchors nor rows apart have evidence to give: what they know came from every pair
    evidence = beyond_chance(posterior[rows], np.argmax(plain.own, axis=1), weights[rows])
    return Student(chosen.axes, law, chosen.resp[: len(posterior)], power, *evidence)


def some_of(X, weights, paired_weights):
    """Rows that lack the source, no more than can be of use, and what each weighs."""
    most = max(ALONE_ROWS, ALONE_SHARE * len(paired_weights))
    rows = spread_rows(len(X), most)
    share = ALONE_WEIGHT * paired_weights.sum() / weights.sum()
    return X[rows], weights[rows] * min(1.0, share) * (weights.sum() / weights[rows].sum())


def pooled_law(chosen: Candidate, weights, rows) -> tuple[StudentLaw, np.ndarray]:
    """Pool the law of scores with one of their lift.

    Returns
    -------
    law : StudentLaw
    pooled : ndarray of shape (len(rows), C)
        Leave-one-out discriminants of the evaluated pairs.
    """
    n = len(weights)
    resp, Z = chosen.resp[:n], chosen.points.points[:n]  # anchors come last
    lifted = lifted_law(Z, np.sum(chosen.axes.variance), resp, weights)
    curved_own = lifted.leave_one_out(Z[rows], resp[rows], weights[rows])
    pool = pool_weights([chosen.own, curved_own], resp[rows], weights[rows])

    linear, shift = chosen.points.discriminant(chosen.resp)
    curved, curved_shift = lifted.discriminant()
    heard = slice(None) if pool[1] else slice(0)  # a lift without weight costs nothing
    law = StudentLaw(
        pool[0] * linear,
        lifted.landmarks[heard],
        lifted.gamma,
        pool[1] * curved[heard],
        pool[0] * shift + pool[1] * curved_shift,
    )
    return law, pool[0] * chosen.own + pool[1] * curved_own


def best_temper(X, posterior, weights, rows) -> Candidate:
    """Tied laws whose leave-one-out decisions agree best with the source, over tempers."""
    axes = principal_axes(X, weights)
    points = TiedPoints(axes.scores(X), axes.variance, weights)
    best, most = None, -np.inf
    for temper in TEMPERS:
        resp = tempered_classes(points, posterior, temper)
        own = points.leave_one_out(resp, rows)
        said = posterior[rows][np.arange(len(rows)), np.argmax(own, axis=1)]
        agrees = weights[rows] @ said / weights[rows].sum()
        if agrees > most + 1e-9:
            best, most = Candidate(axes, points, resp, own, temper), agrees
    assert best is not None
    return best


def with_anchors(plain: Candidate, anchors: Anchors, X, posterior, weights, rows) -> Candidate:
    """Laws with anchors of the weight that cross-validates best, or without any."""
    laws = {0.0: plain}
    for weight in ANCHOR_WEIGHTS:
        features, believed, heavy = anchors.beside(X, posterior, weights, weight)
        laws[weight] = best_temper(features, believed, heavy, rows)
    scores = {weight: np.empty_like(posterior) for weight in laws}
    for held, points in anchors.folds:
        kept = np.setdiff1d(np.arange(len(X)), held)
        seen = X[kept], posterior[kept], weights[kept]
        for weight, law in laws.items():
            features, believed, heavy = anchors.beside(*seen, weight, points)
            axes = principal_axes(features, heavy)
            tied = TiedPoints(axes.scores(features), axes.variance, heavy)
            coef, shift = tied.discriminant(tempered_classes(tied, believed, law.temper))
            scores[weight][held] = axes.scores(X[held]) @ coef + shift
    merits = {weight: _merits(found, posterior, weights) for weight, found in scores.items()}
    best = min(ANCHOR_WEIGHTS, key=lambda weight: merits[weight][1])
    agrees, entropy = merits[best]
    better = agrees >= merits[0.0][0] - 1e-9 and entropy < merits[0.0][1]
    return laws[best] if better else plain


def _merits(scores, posterior, weights):
    """Mean posterior of the decisions, and cross-entropy at the best temperature."""
    share = weights / weights.sum()
    said = posterior[np.arange(len(scores)), np.argmax(scores, axis=1)]
    scale = pool_weights([scores], posterior, weights)[0]
    entropy = -np.sum(posterior * log_softmax(scale * scores, axis=1), axis=1)
    return share @ said, share @ entropy


def tempered_classes(points: TiedPoints, posterior, temper):
    """Fixed point of the EM that keeps the source's posterior as a factor.

    Where points are many, some of them find it; the last step is everybody's.
    """
    if not temper:
        return posterior
    rows = spread_rows(len(posterior), CHOICE_ROWS)
    some = points.some(rows)
    resp, given = posterior[rows], np.log(posterior[rows] + TINY)
    for _ in range(MAX_ITER):
        law = some.discriminant(resp)
        update = softmax(given + temper * _affine(some.points, *law), axis=1)
        change = np.max(np.abs(update - resp))
        resp = update
        if change < TOLERANCE:
            break
    if len(rows) == len(posterior):
        return resp
    law = some.discriminant(resp)
    return softmax(np.log(posterior + TINY) + temper * _affine(points.points, *law), axis=1)


def _affine(points, coef, intercept):
    """``points @ coef + intercept``, classes by points in memory: softmax likes long rows."""
    out = coef.T @ points.T
    out += intercept[:, None]
    return out.T
