r"""Kernel discriminant of soft labels, and class probabilities by both discriminants. Arrays only.

With landmarks :math:`l_j`, and :math:`K = V \Lambda V^\top` the Gaussian kernel among them, a
point has :math:`k(z)_j = \exp(-\gamma |z - l_j|^2)` and the features :math:`k(z)^\top V
\Lambda^{-1/2}`, so that inner products of the landmarks' features are their kernel (Nyström). The
discriminant of :mod:`skalign.transfer._discriminant` on these features needs no more than

.. math:: \sum_i w_i k_i, \qquad \sum_i w_i k_i k_i^\top, \qquad \sum_i w_i r_{ic} k_i,

which add up over blocks of points: no matrix of all points by all landmarks is held. Principal
axes of the features are linear in :math:`k`, and so are the discriminants.

Class probabilities take both. With :math:`u = (x - \mu) \circ s` and coefficients
:math:`A, B, b`,

.. math:: \log p(c \mid x) = A_c u + \sum_j B_{cj} \exp(-\gamma |u - l_j|^2) + b_c + \text{const}.

All that is linear in :math:`(u, |u|^2, 1)`, the exponents and the first and last term, is one
product. Scores are rotated and scaled features; a rotation leaves distances as they are, so that a
model of scores is one of features, too, and the product with the axes is saved.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from .._utils._rows import row_blocks, spread_rows
from ._discriminant import (
    EXPONENTS,
    RIDGE,
    RIDGES,
    TINY,
    Candidate,
    SoftLDA,
    axes_of,
)
from ._task import ANCHOR_WEIGHTS

# Width of the kernel: exp(-BANDWIDTH |a - b|^2 / total variance).
BANDWIDTH = 0.3
LANDMARKS = 1000
# Kernels of all points and landmarks that are evaluated, where points are many.
KERNEL_SIZE = 10**7
# Principal scores of features whose variance is below this share of the largest are rounding.
NEGLIGIBLE = 1e-6
# Rows that are classified at a time, or more.
LEAST_ROWS = 512
# Of so few rows, or less, each landmark is read twice rather than copied.
FEW_ROWS = 16
# Axes are a rotation if they are orthonormal up to this.
ORTHONORMAL = 1e-10


@dataclass(frozen=True)
class KernelLDA:
    """Discriminant of kernel features, whose principal scores are ``kernel @ onto - shift``."""

    landmarks: np.ndarray  # (L, p): every point, or some of them, evenly spread
    gamma: float
    onto: np.ndarray  # (L, q)
    shift: np.ndarray  # (q,)
    lda: SoftLDA

    def scores(self, Z):
        """Principal scores of the features of points, shape (n, q)."""
        return gaussian_kernel(Z, self.landmarks, self.gamma) @ self.onto - self.shift

    def discriminant(self):
        """Coefficients (L, C) of the kernel, and intercept (C,)."""
        coef, intercept = self.lda.discriminant()
        return self.onto @ coef, intercept - self.shift @ coef

    def leave_one_out(self, Z, resp, weights):
        """Discriminants of points, each by what all others say."""
        out = np.empty(resp.shape)
        for s in row_blocks(len(Z), len(self.landmarks)):
            weighted = resp[s] * weights[s][:, None]
            out[s] = self.lda.leave_one_out(self.scores(Z[s]), weighted, weights[s])
        return out


def kernel_lda(
    Z,
    total_variance,
    resp,
    weights,
    *,
    bandwidth: float = BANDWIDTH,
    n_landmarks: int = LANDMARKS,
    ridge: float = RIDGE,
) -> KernelLDA:
    """Kernel discriminant of soft labels.

    Parameters
    ----------
    Z : ndarray of shape (n, p)
    total_variance : float
        Of the points.
    resp : ndarray of shape (n, C)
    weights : ndarray of shape (n,)
    bandwidth : float
        ``gamma`` times the total variance.
    n_landmarks : int
        At most; fewer where points are many.
    ridge : float
    """
    most = min(n_landmarks, max(100, KERNEL_SIZE // len(Z)))
    landmarks = Z[spread_rows(len(Z), most)]
    gamma = bandwidth / max(total_variance, np.sqrt(np.finfo(float).tiny))
    among = gaussian_kernel(landmarks, landmarks, gamma)
    if len(landmarks) == len(Z):
        onto, shift, variance, sums = _axes_of_all(among, resp, weights)
    else:
        onto, shift, variance, sums = _axes_of_some(Z, landmarks, gamma, among, resp, weights)
    lda = SoftLDA.of(variance, weights.sum(), weights @ resp, sums, ridge)
    return KernelLDA(landmarks, gamma, onto, shift, lda)


def _axes_of_all(kernel, resp, weights):
    r"""Principal axes where every point is a landmark, and sums of the scores by class.

    With shares w, :math:`J = I - w 1^\top` and :math:`\sqrt w J^\top K J \sqrt w = U v U^\top`
    the axes are :math:`\sqrt w U v^{-1/2}`, and the scores :math:`w^{-1/2} U v^{1/2}`.
    """
    share = weights / weights.sum()
    mean, root = kernel @ share, np.sqrt(share)
    centred = kernel - mean - mean[:, None] + share @ mean
    centred *= root[:, None] * root
    axes = axes_of(mean, centred, NEGLIGIBLE)
    deviation = np.sqrt(axes.variance)
    onto = root[:, None] * axes.axes / deviation
    sums = (resp * (weights / root)[:, None]).T @ axes.axes * deviation
    return onto, mean @ onto, axes.variance, sums


def _axes_of_some(Z, landmarks, gamma, among, resp, weights):
    """The same by what landmarks span, where points are more."""
    values, vectors = np.linalg.eigh(among)
    kept = values > 1e-8 * values[-1]
    basis = vectors[:, kept] / np.sqrt(values[kept])
    origin, total = among.mean(axis=0), weights.sum()  # near the mean, so that little cancels
    sums, second = _sums(Z, landmarks, gamma, origin, resp, weights)
    counts, mean = weights @ resp, sums[-1] / total
    axes = axes_of(mean, basis.T @ (second / total - np.outer(mean, mean)) @ basis, NEGLIGIBLE)
    onto = basis @ axes.axes
    sums = (sums[:-1] - np.outer(counts, mean)) @ onto
    return onto, (origin + mean) @ onto, axes.variance, sums


def _sums(Z, landmarks, gamma, origin, resp, weights):
    """Weighted sums of kernels less ``origin``: by class, the last of all points; and squares."""
    sums, second = np.zeros((resp.shape[1] + 1, len(origin))), np.zeros((len(origin),) * 2)
    for s in row_blocks(len(Z), len(origin), least=len(origin)):
        kernel = gaussian_kernel(Z[s], landmarks, gamma)
        kernel -= origin
        sums += np.column_stack([resp[s] * weights[s][:, None], weights[s]]).T @ kernel
        kernel *= np.sqrt(weights[s])[:, None]
        second += kernel.T @ kernel
    return sums, second


def gaussian_kernel(A, B, gamma):
    """``exp(-gamma |a - b|^2)``, shape (len(A), len(B))."""
    out = powers(A) @ exponents(B, gamma).T
    np.minimum(out, 0.0, out=out)
    return np.exp(out, out=out)


def powers(X, mean=0.0, unit=1.0):
    """Points ``(X - mean) * unit``, their squares and ones, side by side: (n, d + 2)."""
    d = X.shape[1]
    out = np.empty((len(X), d + 2))
    points = out[:, :d]
    np.subtract(X, mean, out=points)
    points *= unit
    squares = np.einsum("ij,ij->i", points, points)
    out[:, d] = np.minimum(squares, np.finfo(float).max)  # times zero it is zero
    out[:, d + 1] = 1.0
    return out


def exponents(landmarks, gamma, out=None):
    """Exponents of the kernel as linear maps of the powers: (L, d + 2)."""
    n, d = landmarks.shape
    out = np.empty((n, d + 2)) if out is None else out
    np.multiply(landmarks, 2 * gamma, out=out[:, :d])
    out[:, d] = -gamma
    np.multiply(np.einsum("ij,ij->i", landmarks, landmarks), -gamma, out=out[:, d + 1])
    return out


@dataclass(frozen=True)
class DistilledModel:
    """Class probabilities of scores, or of features."""

    coef: np.ndarray  # (C, d): A
    intercept: np.ndarray  # (C,): b
    landmarks: np.ndarray  # (L, d)
    dual_coef: np.ndarray  # (C, L): B
    gamma: float
    mean: np.ndarray | float = 0.0  # (d,)
    feature_weights: np.ndarray | float = 1.0  # (d,): s

    def widened(self, classes, n_classes) -> "DistilledModel":
        """Give the same model over more classes, which are impossible."""
        coef = np.zeros((n_classes, self.coef.shape[1]))
        dual_coef = np.zeros((n_classes, len(self.landmarks)))
        intercept = np.full(n_classes, -np.inf)
        coef[classes], dual_coef[classes] = self.coef, self.dual_coef
        intercept[classes] = self.intercept
        return replace(self, coef=coef, dual_coef=dual_coef, intercept=intercept)

    def of_features(self, coef, mean) -> "DistilledModel | None":
        """Give the same model of features, where this is one of ``(x - mean) @ coef.T``.

        None where it takes the scores, since these leave something of the features out.
        """
        if len(self.landmarks) == 0:
            none = np.zeros((0, len(mean)))
            return replace(self, coef=self.coef @ coef, landmarks=none, mean=mean)
        unit = np.linalg.norm(coef, axis=0)
        used = unit > 0
        axes = np.divide(coef, unit, out=np.zeros_like(coef), where=used)
        tilt = np.abs(axes @ axes.T - np.eye(len(axes))).max(initial=0.0)
        if len(axes) < used.sum() or tilt > ORTHONORMAL:
            return None
        landmarks = self.landmarks @ axes
        return replace(
            self, coef=self.coef @ axes, landmarks=landmarks, mean=mean, feature_weights=unit
        )

    def predict_proba(self, X) -> np.ndarray:
        """Class probabilities, shape (n, C)."""
        n_landmarks, d = self.landmarks.shape
        possible = np.flatnonzero(np.isfinite(self.intercept))
        linear = self._few if len(X) <= FEW_ROWS else self._many
        exponents_and_scores = linear(possible)
        dual_coef = np.ascontiguousarray(self.dual_coef[possible])
        out = np.zeros((len(X), len(self.intercept)))
        for s in row_blocks(len(X), max(n_landmarks, d), LEAST_ROWS):
            points = powers(X[s], self.mean, self.feature_weights)
            kernel, scores = exponents_and_scores(points.T)  # softmax likes a long row a class
            if n_landmarks:
                # rounding may leave distances below zero, but by far too little to matter
                scores += dual_coef @ np.exp(kernel, out=kernel)
            scores -= scores.max(axis=0)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=0)
            out[s, possible] = scores.T
        return out

    def _many(self, classes):
        """Exponents of the kernel (L, n) and linear scores (C, n) of powers, by one product."""
        n, d = self.landmarks.shape
        maps = np.empty((n + len(classes), d + 2))
        exponents(self.landmarks, self.gamma, maps[:n])
        maps[n:, :d], maps[n:, d], maps[n:, d + 1] = (
            self.coef[classes],
            0.0,
            self.intercept[classes],
        )

        def product(powers):
            both = maps @ powers
            return both[:n], both[n:]

        return product

    def _few(self, classes):
        """The same, where maps would cost more than they save."""
        shift, d = np.einsum("ij,ij->i", self.landmarks, self.landmarks), self.coef.shape[1]

        def sums(powers):
            kernel = self.landmarks @ powers[:d]
            kernel *= 2 * self.gamma
            kernel -= self.gamma * shift[:, None]
            kernel -= self.gamma * powers[d]
            return kernel, self.coef[classes] @ powers[:d] + self.intercept[classes, None]

        return sums


# -- both together -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Options:
    """Hyperparameters of :func:`skalign.transfer._distillation.distil`."""

    exponents: tuple[float, ...] = EXPONENTS
    anchor_weights: tuple[float, ...] = ANCHOR_WEIGHTS
    ridges: tuple[float, ...] = RIDGES
    bandwidth: float = BANDWIDTH
    n_landmarks: int = LANDMARKS
    prior: np.ndarray | None = None  # (n_classes,): None looks at the shares of the pairs
    kernel: bool = True
    directions: bool = True
    forest: bool = True


def pooled_model(chosen: Candidate, weights, rows, options: Options):
    """Pool the linear discriminant with one of kernel features.

    Returns
    -------
    model : DistilledModel
        Of the scores.
    pooled : ndarray of shape (len(rows), C)
        Leave-one-out discriminants of the evaluated pairs.
    """
    n = len(weights)
    resp, Z = chosen.resp[:n], chosen.points.points[:n]  # anchors come last
    coef, shift = chosen.points.lda(chosen.resp, chosen.ridge).discriminant()
    start = log_prior(weights @ resp / weights.sum(), options.prior)
    if not options.kernel:
        pool = calibrate([chosen.own], resp[rows], weights[rows])
        nothing = np.zeros((0, Z.shape[1])), np.zeros((len(shift), 0)), 0.0
        model = DistilledModel(pool[0] * coef.T, pool[0] * shift + start, *nothing)
        return model, pool[0] * chosen.own + start
    curved = kernel_lda(
        Z,
        np.sum(chosen.axes.variance),
        resp,
        weights,
        bandwidth=options.bandwidth,
        n_landmarks=options.n_landmarks,
    )
    curved_own = curved.leave_one_out(Z[rows], resp[rows], weights[rows])
    pool = calibrate([chosen.own, curved_own], resp[rows], weights[rows])
    dual_coef, dual_shift = curved.discriminant()
    used = slice(None) if pool[1] else slice(0)  # a kernel without weight costs nothing
    model = DistilledModel(
        pool[0] * coef.T,
        pool[0] * shift + pool[1] * dual_shift + start,
        curved.landmarks[used],
        pool[1] * dual_coef[used].T,
        curved.gamma,
    )
    return model, pool[0] * chosen.own + pool[1] * curved_own + start


def log_prior(shares, given=None):
    """Log odds from which discriminants start.

    Classes with half of an even share of the pairs, or more, start alike: what the source says of
    shares carries its own errors. Rarer ones start with less, in proportion.
    """
    if given is not None:
        return np.log(np.maximum(given, TINY))
    return np.log(np.clip(2 * len(shares) * shares, TINY, 1.0))


def calibrate(scores, resp, weights):
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


def of_features(model: DistilledModel, coef, mean, decoder):
    """Model of features where there is one, or else of scores, and the maps to these."""
    direct = model.of_features(coef, mean)
    return (model, (coef, mean, decoder)) if direct is None else (direct, None)
