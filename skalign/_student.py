r"""Learn a modality from what another one says of the pairs. Arrays in, arrays out.

The source gives soft labels :math:`p(c \mid x_1)` of the pairs. Given its class, a sample's
modalities are taken as independent, so that its class is

.. math:: r_c \propto p(c \mid x_1) \; p(x_2 \mid c)^\lambda ,

at the fixed point of an EM in which the source's posterior stays a factor. How far the target
may argue, :math:`\lambda`, is chosen by how well its own leave-one-out decisions agree with the
source: no label of the target is seen. Where pairs are few, the labelled rows of the source help:
what the aligner makes of their class means are anchors of the classes in the target, taken if
leave-one-out decisions agree clearly better with them: by more than a standard error, since
anchors have seen every pair.

Two laws speak for the target, both Gaussian with one covariance for all classes: one of its
features, one of their lift by a Gaussian kernel. They are pooled as
:math:`\log p(c \mid x_2) = a\,d_c(x_2) + b\,d'_c(x_2) + \text{const}`, with the weights that bring
their leave-one-out discriminants closest to :math:`r`; that calibrates them, too.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax
from scipy.stats import norm

from ._tied import Principal, TiedPoints, affordable_rows, principal_axes

TEMPERS = (0.0, 0.3)
# Width of the kernel: exp(-BANDWIDTH |a - b|^2 / total variance).
BANDWIDTH = 0.3
LANDMARKS = 1000
# Pairs that an anchor of a class is worth.
ANCHOR_WEIGHT = 5.0
# Numbers in the largest kernel matrix that is held.
KERNEL_SIZE = 10**7
MOST_SHARP = 20.0
MAX_ITER = 20
TOLERANCE = 1e-3
TINY = 1e-12


@dataclass(frozen=True)
class StudentLaw:
    """Class probabilities of scores: ``softmax(Z @ linear + kernel(Z) @ lifted + intercept)``."""

    linear: np.ndarray  # (p, C)
    landmarks: np.ndarray  # (L, p)
    gamma: float
    lifted: np.ndarray  # (L, C)
    intercept: np.ndarray  # (C,)

    def widened(self, classes, n_classes) -> "StudentLaw":
        """Give the same law over more classes, which are impossible."""
        linear = np.zeros((len(self.linear), n_classes))
        lifted = np.zeros((len(self.lifted), n_classes))
        intercept = np.full(n_classes, -np.inf)
        linear[:, classes], lifted[:, classes] = self.linear, self.lifted
        intercept[classes] = self.intercept
        return StudentLaw(linear, self.landmarks, self.gamma, lifted, intercept)

    def class_proba(self, Z) -> np.ndarray:
        """Class probabilities, shape (n, C)."""
        kernel = gaussian_kernel(Z, self.landmarks, self.gamma)
        return softmax(Z @ self.linear + kernel @ self.lifted + self.intercept, axis=1)


@dataclass(frozen=True)
class Student:
    """What :func:`learn` finds."""

    axes: Principal  # of the modality's features
    law: StudentLaw  # of scores along these axes
    resp: np.ndarray  # (n, C): classes of the pairs
    sharpness: float  # power of the law beside the source's own word
    agreement: float  # with the source, leave-one-out: 0 is chance, 1 the most there can be
    pvalue: float  # of that agreement, were the pairs shuffled


def merge_repeats(source, target, weights):
    """Rows of the different pairs, in an order of their own, and the weight of each.

    Row order and the coding of repeated rows end here: a pair that is there twice is left out
    twice.
    """
    rows = np.hstack([source, target]) + 0.0  # so that -0.0 equals 0.0
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, np.bincount(inverse.ravel(), weights)


@dataclass(frozen=True)
class Candidate:
    """Tied laws at their best temper, with or without anchors."""

    axes: Principal
    points: TiedPoints
    resp: np.ndarray  # of all points, anchors last
    own: np.ndarray  # leave-one-out discriminants of the evaluated pairs
    said: np.ndarray  # posterior of the class that each evaluated pair is given


def learn(X, posterior, weights, anchors=None) -> Student:
    """Learn a modality from the posterior of another.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        The modality's features, at comparable scales, of different pairs.
    posterior : ndarray of shape (n, C)
        Class probabilities of the source.
    weights : ndarray of shape (n,)
    anchors : tuple of ndarray of shape (a, d) and ndarray of shape (a,), optional
        Where some classes should lie in this modality, and which. They count as
        ``ANCHOR_WEIGHT`` pairs each, if that helps to agree with the source.
    """
    rows = affordable_rows(len(X), posterior.shape[1])
    chosen = plain = best_temper(X, posterior, weights, rows)
    if anchors is not None and len(anchors[0]):
        X = np.vstack([X, anchors[0]])
        certain = np.vstack([posterior, np.eye(posterior.shape[1])[anchors[1]]])
        weights = np.append(weights, np.full(len(anchors[0]), ANCHOR_WEIGHT))
        anchored = best_temper(X, certain, weights, rows)
        chosen = anchored if clearly_more(anchored.said, plain.said, weights[rows]) else plain
        X, weights = X[: len(chosen.resp)], weights[: len(chosen.resp)]
    resp, Z = chosen.resp, chosen.axes.scores(X)
    features, landmarks, gamma, basis = kernel_lift(Z, np.sum(chosen.axes.variance))
    lift = principal_axes(features, weights, negligible=1e-6)
    lifted = TiedPoints.of(lift.scores(features), lift.variance, weights)
    curved_own = lifted.leave_one_out(resp, rows)
    pool = pool_weights([chosen.own, curved_own], resp[rows], weights[rows])
    pooled = pool[0] * chosen.own + pool[1] * curved_own
    power = sharpness(pooled, posterior[rows], weights[rows])

    linear, shift = chosen.points.discriminant(resp)
    intercept = pool[0] * shift
    curved, shift = lifted.discriminant(resp)
    curved = pool[1] * (lift.axes @ curved)
    intercept = intercept + pool[1] * shift - lift.mean @ curved
    law = StudentLaw(pool[0] * linear, landmarks, gamma, basis @ curved, intercept)
    # anchors have seen every pair: evidence comes from decisions that have not
    evidence = beyond_chance(posterior[rows], np.argmax(plain.own, axis=1), weights[rows])
    return Student(chosen.axes, law, resp[: len(posterior)], power, *evidence)


def best_temper(X, posterior, weights, rows) -> Candidate:
    """Tied laws whose leave-one-out decisions agree best with the source, over tempers."""
    axes = principal_axes(X, weights)
    points = TiedPoints.of(axes.scores(X), axes.variance, weights)
    best, most = None, -np.inf
    for temper in TEMPERS:
        resp = tempered_classes(points, posterior, temper)
        own = points.leave_one_out(resp, rows)
        said = posterior[rows][np.arange(len(rows)), np.argmax(own, axis=1)]
        agrees = weights[rows] @ said / weights[rows].sum()
        if agrees > most + 1e-9:
            best, most = Candidate(axes, points, resp, own, said), agrees
    assert best is not None
    return best


def clearly_more(a, b, weights) -> bool:
    """Whether the mean of ``a - b`` is above its standard error."""
    share = weights / weights.sum()
    mean = share @ (a - b)
    return bool(mean > np.sqrt(share @ (a - b - mean) ** 2 / weights.sum()) + 1e-9)


def tempered_classes(points: TiedPoints, posterior, temper):
    """Fixed point of the EM that keeps the source's posterior as a factor."""
    resp, given = posterior, np.log(posterior + TINY)
    for _ in range(MAX_ITER if temper else 0):
        coef, intercept = points.discriminant(resp)
        update = softmax(given + temper * (points.points @ coef + intercept), axis=1)
        change = np.max(np.abs(update - resp))
        resp = update
        if change < TOLERANCE:
            break
    return resp


def kernel_lift(Z, total_variance):
    """Lift points by a Gaussian kernel.

    Returns
    -------
    features : ndarray of shape (n, q)
        The lifted points.
    landmarks : ndarray of shape (L, p)
        Every point, or some of them, evenly spread over their order (Nyström).
    gamma : float
    basis : ndarray of shape (L, q)
        ``kernel(Z, landmarks) @ basis`` lifts any point.
    """
    n = len(Z)
    most = min(n, LANDMARKS, max(100, KERNEL_SIZE // n))
    landmarks = Z[np.unique(np.linspace(0, n - 1, most).round().astype(int))]
    gamma = BANDWIDTH / max(total_variance, np.sqrt(np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(gaussian_kernel(landmarks, landmarks, gamma))
    kept = values > 1e-8 * values[-1]
    basis = vectors[:, kept] / np.sqrt(values[kept])
    return gaussian_kernel(Z, landmarks, gamma) @ basis, landmarks, gamma, basis


def gaussian_kernel(A, B, gamma):
    """``exp(-gamma |a - b|^2)``, shape (len(A), len(B))."""
    squares = np.sum(A**2, axis=1)[:, None] + np.sum(B**2, axis=1) - 2 * A @ B.T
    return np.exp(-gamma * np.maximum(squares, 0.0))


def pool_weights(scores, resp, weights):
    """Non-negative weights of discriminants that predict ``resp`` best, by cross-entropy."""
    share = weights / weights.sum()
    scores = [s - s.max(axis=1, keepdims=True) for s in scores]

    def loss(pool):
        log_proba = log_softmax(sum(w * s for w, s in zip(pool, scores, strict=True)), axis=1)
        error = (np.exp(log_proba) - resp) * share[:, None]
        gradient = np.array([np.sum(error * s) for s in scores])
        return -np.sum(share[:, None] * resp * log_proba), gradient

    start = np.full(len(scores), 0.3 / len(scores))
    bounds = [(0, None)] * len(scores)
    return minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x


def sharpness(scores, posterior, weights) -> float:
    r"""Power of a modality's law that goes with the source's posterior.

    A law that is calibrated to the source carries the source's doubt. Beside the source itself
    that doubt would count twice, so that the law is raised to the power :math:`\kappa` of maximum
    likelihood of the modality given the source,

    .. math:: \sum_i \log \frac{\sum_c p(c \mid x_{1i}) \, p(c \mid x_{2i})^\kappa}
              {\sum_c p(c) \, p(c \mid x_{2i})^\kappa} .
    """
    share = weights / weights.sum()
    prior = np.log(share @ posterior + TINY)
    given = np.log(posterior + TINY)

    def loss(power):
        joint = logsumexp(power * scores + given, axis=1)
        return -share @ (joint - logsumexp(power * scores + prior, axis=1))

    powers = np.geomspace(1.0, MOST_SHARP, 40)
    return float(powers[np.argmin([loss(power) for power in powers])])


def beyond_chance(posterior, chosen, weights):
    """Agreement of decisions with a posterior beyond chance, and its p-value.

    Were the pairs shuffled, the sum of the posterior of the chosen class would have the mean and
    variance of Hoeffding's combinatorial central limit theorem.

    Returns
    -------
    agreement : float
        0 is what shuffled pairs give, 1 the most that the posterior allows.
    pvalue : float
    """
    votes = np.zeros_like(posterior)
    votes[np.arange(len(chosen)), chosen] = weights / weights.mean()
    expected = posterior.mean(axis=0) @ votes.sum(axis=0)
    observed = np.sum(posterior * votes)
    most = np.sum(posterior.max(axis=1) * weights) / weights.mean()
    covariances = np.atleast_2d(np.cov(posterior.T)), np.atleast_2d(np.cov(votes.T))
    variance = (len(votes) - 1) * np.sum(covariances[0] * covariances[1])
    if variance <= 0 or most <= expected:
        return 0.0, 1.0
    agreement = (observed - expected) / (most - expected)
    return float(agreement), float(norm.sf((observed - expected) / np.sqrt(variance)))
