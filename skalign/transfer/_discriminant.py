r"""Linear discriminant of soft labels: Gaussian classes of one covariance. Arrays only.

In principal scores the second moment of all points is diagonal, :math:`S = \mathrm{diag}(v)`, and
with class means :math:`M` (C, p), shares :math:`\Pi` and ridge :math:`\rho` the covariance within
classes is

.. math:: T = (1 - \rho)(S - M^\top \Pi M) + \rho \bar v I = A - g M^\top \Pi M, \qquad
          A = g\,\mathrm{diag}(v) + \rho \bar v I, \quad g = 1 - \rho .

:math:`A` knows no labels, so that a change of labels costs C-by-C algebra (Woodbury): with
:math:`G = M A^{-1} M^\top` and :math:`Q = (I - g \Pi G)^{-1}` the discriminant, the log density up
to a constant per point, is :math:`x^\top A^{-1} M^\top Q - \tfrac12 \mathrm{diag}(G Q)`.

Without a point :math:`x` of labels :math:`r_c`, its weight included, class :math:`c` of weight
:math:`n_c` has the mean :math:`(n_c \mu_c - r_c x) / (n_c - r_c)`, and the covariance is

.. math:: T_{-x} = T - \sum_c b_c (\mu_c - x) (\mu_c - x)^\top, \qquad
          b_c = \frac{g}{\sum_i w_i} \frac{n_c r_c}{n_c - r_c} .

Products of means and point by :math:`T^{-1}`, :math:`M T^{-1} M^\top = G Q` and
:math:`M T^{-1} x = Q^\top M A^{-1} x`, give those by :math:`T_{-x}^{-1}` (Woodbury), with as many
unknowns as the point has classes. Where classes are many, those of largest :math:`b_c` have a term
each, and all others one together, at their mean :math:`\bar\mu` weighted by :math:`b_c`: all means
are those without the point, but :math:`\sum b_c (\mu_c - \bar\mu) (\mu_c - \bar\mu)^\top` over the
others stays in the covariance. Squared distances of the point from the means come out too short by
a share of :math:`\sum b_c (\mu_c - \bar\mu)^\top T_{-x}^{-1} (\mu_c - \bar\mu)` at most.

It needs sums over points alone, which may come block by block.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from .._utils._linalg import gram_svd
from .._utils._rows import row_blocks, spread_rows
from ._task import Anchors

# Ridge, in shares of the mean variance: covariances within classes come from soft labels. Less of
# it is for directions that are loud and tell nothing, beside quiet ones that tell classes apart.
RIDGE = 0.3
RIDGES = (0.3, 0.1, 0.03, 0.01, 0.003)
# Principal scores whose variance is below this share of the largest are rounding.
NEGLIGIBLE = 1e-10
# Up to so many classes, each has a term of its own in what the covariance loses with a point; of
# more classes, so many.
FEW_CLASSES = 40
OWN_TERMS = 16
# At most so many multiplications are spent on leave-one-out discriminants, and so many points
# tell two choices apart.
WORK = 4e8
CHOICE_ROWS = 10_000
# Points whose scores are computed at a time, or more.
LEAST_ROWS = 128
# Powers of the target's own word that are tried.
EXPONENTS = (0.0, 0.1, 0.3, 1.0)
MAX_ITER = 20
TOLERANCE = 1e-3
TINY = 1e-12
# Mutual information, in nats a pair, that is not worth a choice.
INDIFFERENT = 1e-3
# Powers at which a leave-one-out discriminant, which is too sure of itself, is looked at.
POWERS = np.geomspace(0.01, 20.0, 30)

# Differences of mean log likelihoods that are rounding.
INDISCERNIBLE = 1e-12
# Largest power of the model beside the source.
MOST_SHARP = 20.0


@dataclass(frozen=True)
class PrincipalAxes:
    """Principal axes of weighted points: ``scores = (X - mean) @ axes``, not rescaled."""

    mean: np.ndarray  # (d,)
    axes: np.ndarray  # (d, p), orthonormal columns
    variance: np.ndarray  # (p,), descending

    def scores(self, X):
        """Coordinates along the axes, shape (n, p)."""
        out = np.empty((len(X), self.axes.shape[1]))
        for s in row_blocks(len(X), X.shape[1], LEAST_ROWS):  # axes are read anew for each block
            out[s] = (X[s] - self.mean) @ self.axes
        return out


def principal_axes(X, weights) -> PrincipalAxes:
    """Axes along which weighted points are uncorrelated; wide points never form ``d x d``."""
    share = weights / weights.sum()
    mean = share @ X
    if X.shape[1] <= len(X):
        return axes_of(mean, _covariance(X, mean, share))
    root = (X - mean) * np.sqrt(share)[:, None]
    _, deviation, axes = gram_svd(root, NEGLIGIBLE)
    return _in_order(mean, axes[::-1], deviation[::-1] ** 2, NEGLIGIBLE)


def _covariance(X, mean, share):
    d = X.shape[1]
    out = np.zeros((d, d))
    for s in row_blocks(len(X), d, d):  # fewer rows than sums do not pay
        root = (X[s] - mean) * np.sqrt(share[s])[:, None]
        out += root.T @ root
    return out


def axes_of(mean, covariance, negligible: float = NEGLIGIBLE) -> PrincipalAxes:
    """Principal axes of points of which mean and covariance are known."""
    variance, axes = np.linalg.eigh(covariance)
    return _in_order(mean, axes.T, variance, negligible)


def _in_order(mean, axes, variance, negligible):
    """Axes that are rows, of ascending variance, as columns of descending one; and their signs."""
    kept = np.flatnonzero(variance > negligible * max(variance[-1:].sum(), 0))[::-1]
    axes = axes[kept]
    axes *= np.where(np.einsum("ij,ij,ij->i", axes, axes, axes) < 0, -1.0, 1.0)[:, None]
    return PrincipalAxes(mean, axes.T, variance[kept])


def affordable_rows(n: int, n_classes: int) -> np.ndarray:
    """Rows, evenly spread, for which a leave-one-out discriminant is worth its cost."""
    cost = n_classes**3
    if n_classes > FEW_CLASSES:
        cost = n_classes * (n_classes + OWN_TERMS**2)
    return spread_rows(n, min(CHOICE_ROWS, max(1000, int(WORK / cost))))


@dataclass(frozen=True)
class SoftLDA:
    """Linear discriminant of soft labels: sums over points, and what follows from them."""

    diagonal: np.ndarray  # (p,): A
    keep: float  # g
    total: float  # weight of all points
    counts: np.ndarray  # (C,): weight of each class
    means: np.ndarray  # (C, p)
    gram: np.ndarray  # (C, C): G

    @classmethod
    def of(cls, variance, total, counts, sums, ridge: float = RIDGE) -> "SoftLDA":
        """Discriminant of points of known sums.

        Parameters
        ----------
        variance : ndarray of shape (p,)
            Of the principal scores.
        total : float
        counts : ndarray of shape (C,)
            Weight of each class.
        sums : ndarray of shape (C, p)
            Weighted sums of the points of each class.
        ridge : float
        """
        keep = 1.0 - ridge
        diagonal = keep * variance + ridge * (variance.sum() / max(len(variance), 1))
        counts = counts + np.finfo(float).eps * total
        means = sums / counts[:, None]
        return cls(diagonal, keep, total, counts, means, (means / diagonal) @ means.T)

    def _inverse(self):
        shares = self.counts / self.total
        return np.linalg.inv(np.eye(len(shares)) - self.keep * shares[:, None] * self.gram)

    def discriminant(self):
        """Coefficients (p, C) and intercept (C,) of the discriminant."""
        inverse = self._inverse()
        return (self.means / self.diagonal).T @ inverse, -0.5 * np.diagonal(self.gram @ inverse)

    def leave_one_out(self, points, weighted, weights):
        """Discriminants (b, C) of some of the points, each by what all others say.

        Parameters
        ----------
        points : ndarray of shape (b, p)
        weighted : ndarray of shape (b, C)
            Their labels times their weights.
        weights : ndarray of shape (b,)
        """
        inverse, n_classes = self._inverse(), len(self.counts)
        means, own = self.gram @ inverse, points / self.diagonal  # M T^-1 M'
        project = own @ self.means.T
        cross = project @ inverse  # x' T^-1 M'
        gained = self.keep / self.total * np.sum(project * self.counts * cross, axis=1)
        cross = np.column_stack([cross, np.sum(own * points, axis=1) + gained])  # and x' T^-1 x
        k = n_classes if n_classes <= FEW_CLASSES else OWN_TERMS
        out = np.empty(weighted.shape)
        for s in row_blocks(len(out), 4 * n_classes * (k + 2)):
            left = np.maximum(self.counts - weighted[s], 1e-3 * self.counts)
            squares, products = _without(
                means, cross[s], *self._lost(weighted[s], weights[s], left, k)
            )
            a, q = self.counts / left, weighted[s] / left  # means without the point: a mu - q x
            products, square = products[:, :-1], products[:, -1:]
            out[s] = a * products - q * square
            out[s] -= 0.5 * (a * (a * squares - 2 * q * products) + q * q * square)
        return out

    def _lost(self, weighted, weights, left, k):
        """What T loses: a form (b, k + 2, k + 2) in vectors less x, and in x itself.

        The vectors are the means of ``k`` classes, ``most``, and that of all others by their
        shares in it, ``others``. That of x is for labels that do not quite sum to one and classes
        that would have nothing ``left``: the mean of all points stands in for the weight.
        """
        b = self.counts * weighted / left
        most = np.argpartition(b, -k, axis=1)[:, -k:]
        others = b.copy()
        np.put_along_axis(others, most, 0.0, axis=1)
        together = others.sum(axis=1)
        others /= np.maximum(together, np.finfo(float).tiny)[:, None]
        b, r, left = (np.take_along_axis(m, most, axis=1) for m in (b, weighted, left))
        counts, each = self.counts[most], np.arange(k)
        added = 1 - (counts - r) / left
        form = np.zeros((len(b), k + 2, k + 2))
        form[:, each, each] = b - added * counts
        form[:, :k, -1] = form[:, -1, :k] = -added * counts
        form[:, k, k] = together
        form[:, -1, -1] = weights - weighted.sum(axis=1) + np.sum(added * (r - counts), axis=1)
        return most, others, self.keep / self.total * form


def _without(means, cross, most, others, lost):
    """Products by the inverse of what is left of T, from those by the inverse of T.

    Squares of the means (b, C), and products of the point with them and itself (b, C + 1).
    """
    k = most.shape[1]
    rows = np.empty((len(most), k + 2, cross.shape[1]))  # what the form is in, by means and x
    rows[:, :k, :-1], rows[:, k, :-1] = means[most], others @ means
    rows[:, :k, -1] = np.take_along_axis(cross, most, axis=1)
    rows[:, k, -1] = np.sum(others * cross[:, :-1], axis=1)
    rows[:, -1] = cross
    rows[:, :-1] -= cross[:, None]
    among = np.empty(lost.shape)
    among[:, :, :k] = np.take_along_axis(rows, most[:, None], axis=2)
    among[:, :, k] = np.einsum("ikc,ic->ik", rows[:, :, :-1], others)
    among[:, :, -1] = rows[:, :, -1]
    among[:, :, :-1] -= among[:, :, -1:]
    gained = _solved(np.eye(k + 2) - lost @ among, lost) @ rows
    squares = np.diagonal(means) + np.einsum("ikc,ikc->ic", rows, gained)[:, :-1]
    return squares, cross + np.einsum("ik,ikc->ic", rows[:, :, -1], gained)


def _solved(matrices, right):
    """Solutions of systems; of least squares where a point left out was all that varied."""
    try:
        return np.linalg.solve(matrices, right)
    except np.linalg.LinAlgError:
        return np.linalg.pinv(matrices) @ right


@dataclass(frozen=True)
class PrincipalScores:
    """Points along their principal axes, on which discriminants are learned."""

    points: np.ndarray  # (n, p)
    variance: np.ndarray  # (p,)
    weights: np.ndarray  # (n,)

    @classmethod
    def of(cls, axes: PrincipalAxes, X, weights) -> "PrincipalScores":
        """Scores of weighted points."""
        return cls(axes.scores(X), axes.variance, weights)

    def some(self, rows) -> "PrincipalScores":
        """Some of the points."""
        return PrincipalScores(self.points[rows], self.variance, self.weights[rows])

    def lda(self, resp, ridge: float = RIDGE) -> SoftLDA:
        """Discriminant of soft labels (n, C)."""
        weighted = resp * self.weights[:, None]
        sums = weighted.T @ self.points
        return SoftLDA.of(self.variance, self.weights.sum(), weighted.sum(axis=0), sums, ridge)

    def leave_one_out(self, resp, rows, ridge: float = RIDGE):
        """Discriminants (len(rows), C) of some points, each by what all others say."""
        lda, out = self.lda(resp, ridge), np.empty((len(rows), resp.shape[1]))
        for s in row_blocks(len(rows), self.points.shape[1]):
            r = rows[s]
            weights = self.weights[r]
            out[s] = lda.leave_one_out(self.points[r], resp[r] * weights[:, None], weights)
        return out


# -- classes of the pairs -----------------------------------------------------------------------


@dataclass(frozen=True)
class Candidate:
    """Linear discriminants at their best exponent, with or without anchors."""

    axes: PrincipalAxes
    points: PrincipalScores
    resp: np.ndarray  # of all points, anchors last
    own: np.ndarray  # leave-one-out discriminants of the evaluated pairs
    exponent: float
    ridge: float


def best_discriminant(X, posterior, weights, rows, exponents, ridges) -> Candidate:
    """Discriminants that share most with the source, each pair left out.

    With the first of the ridges the smallest exponent is taken that none of the others betters;
    another ridge is taken where it gains more than its standard error.
    """
    axes = principal_axes(X, weights)
    points = PrincipalScores.of(axes, X, weights)
    given, share = posterior[rows], weights[rows] / weights[rows].sum()

    def tried(exponent, ridge):
        resp = expected_classes(points, posterior, exponent, ridge)
        own = points.leave_one_out(resp, rows, ridge)
        shared = most_shared(own, given, share)
        return Candidate(axes, points, resp, own, exponent, ridge), shared

    first = [tried(exponent, ridges[0]) for exponent in exponents]
    shared = [share @ ratios for _, ratios in first]
    best, ratios = next(
        found for found, s in zip(first, shared, strict=True) if s >= max(shared) - INDIFFERENT
    )
    for ridge in ridges[1:]:
        candidate, others = tried(best.exponent, ridge)
        if gains_more_than_its_error(others, ratios, share):
            best, ratios = candidate, others
    return best


def gains_more_than_its_error(new, old, share, times: float = 1.0) -> bool:
    """Whether the weighted mean of ``new - old`` exceeds so many standard errors of it."""
    gain = share @ (new - old)
    error = np.sqrt(np.sum(share**2 * (new - old - gain) ** 2))
    return bool(gain > times * error + INDIFFERENT)


def likelihood_ratios(scores, posterior, share, powers):
    r"""What a modality and the source share, at powers of the modality's word.

    .. math:: \log \frac{\sum_c p(c \mid x_1) \, p(x_2 \mid c)^\kappa}
              {\sum_c p(c) \, p(x_2 \mid c)^\kappa}

    is the logarithm of :math:`p(x_2 \mid x_1) / p(x_2)` where modalities are independent given the
    class. Its mean is their mutual information, as far as classes carry it.

    Parameters
    ----------
    scores : ndarray of shape (n, C)
        :math:`\log p(x_2 \mid c)` up to a constant per point.
    posterior : ndarray of shape (n, C)
    share : ndarray of shape (n,)
        Weights of sum one.
    powers : ndarray of shape (k,)
        :math:`\kappa`.

    Returns
    -------
    ndarray of shape (k, n)
    """
    prior, given = share @ posterior + TINY, posterior + TINY
    values = np.empty((len(powers), len(scores)))
    scores = scores - scores.max(axis=1, keepdims=True)
    for k, power in enumerate(powers):
        proba = np.exp(power * scores)
        values[k] = np.log(np.einsum("ic,ic->i", proba, given) / (proba @ prior))
    return values


def most_shared(scores, posterior, share, powers=POWERS):
    """The same (n,) at the power of the largest mean."""
    ratios = likelihood_ratios(scores, posterior, share, powers)
    return ratios[np.argmax(ratios @ share)]


def inverse_temperature(scores, posterior, weights) -> float:
    """Power of a modality's model that goes with the source's posterior."""
    powers = np.geomspace(1.0, MOST_SHARP, 40)
    share = weights / weights.sum()
    shared = likelihood_ratios(scores, posterior, share, powers) @ share
    return float(powers[shared >= shared.max() - INDISCERNIBLE][0])


def expected_classes(points: PrincipalScores, posterior, exponent, ridge=RIDGE):
    """Fixed point of the EM that keeps the source's posterior as a factor.

    Where points are many, some of them find it; the last step is everybody's.
    """
    if not exponent:
        return posterior
    rows = spread_rows(len(posterior), CHOICE_ROWS)
    some = points.some(rows)
    resp, given = posterior[rows], np.log(posterior[rows] + TINY)
    for _ in range(MAX_ITER):
        lda = some.lda(resp, ridge).discriminant()
        update = softmax(given + exponent * _affine(some.points, *lda), axis=1)
        change = np.max(np.abs(update - resp))
        resp = update
        if change < TOLERANCE:
            break
    if len(rows) == len(posterior):
        return resp
    lda = some.lda(resp, ridge).discriminant()
    return softmax(np.log(posterior + TINY) + exponent * _affine(points.points, *lda), axis=1)


def _affine(points, coef, intercept):
    """``points @ coef + intercept``, classes by points in memory: softmax likes long rows."""
    out = coef.T @ points.T
    out += intercept[:, None]
    return out.T


# -- anchors --------------------------------------------------------------------------------------


def beside(anchors: Anchors, X, posterior, weights, weight, points=None):
    """Pairs and anchors of a weight together: features, posterior, weights."""
    if not weight:
        return X, posterior, weights
    points = anchors.points if points is None else points
    certain = np.eye(posterior.shape[1])[anchors.classes]
    heavy = np.append(weights, np.full(len(points), weight))
    return np.vstack([X, points]), np.vstack([posterior, certain]), heavy


def best_anchored(plain: Candidate, task, posterior, rows, options) -> Candidate:
    """Discriminants with anchors of the weight that cross-validates best, or without any."""
    X, weights, anchors = task.points, task.weights, task.anchors
    candidates = {0.0: plain}
    for weight in options.anchor_weights:
        features, believed, heavy = beside(anchors, X, posterior, weights, weight)
        candidates[weight] = best_discriminant(
            features, believed, heavy, rows, options.exponents, options.ridges
        )
    scores = _cross_validated(candidates, anchors, X, posterior, weights)
    share = weights / weights.sum()
    shared = {w: most_shared(found, posterior, share) for w, found in scores.items()}
    best = max(options.anchor_weights, key=lambda weight: share @ shared[weight])
    gains = gains_more_than_its_error(shared[best], shared[0.0], share)
    return candidates[best] if gains else plain


def _cross_validated(candidates, anchors: Anchors, X, posterior, weights):
    """Discriminants (n, C) of pairs that neither they nor their anchors have seen, by weight."""
    scores = {weight: np.empty_like(posterior) for weight in candidates}
    for held, points in anchors.folds:
        kept = np.setdiff1d(np.arange(len(X)), held)
        seen = X[kept], posterior[kept], weights[kept]
        for weight, candidate in candidates.items():
            features, believed, heavy = beside(anchors, *seen, weight, points)
            axes = principal_axes(features, heavy)
            learned = PrincipalScores.of(axes, features, heavy)
            resp = expected_classes(learned, believed, candidate.exponent, candidate.ridge)
            coef, shift = learned.lda(resp, candidate.ridge).discriminant()
            scores[weight][held] = axes.scores(X[held]) @ coef + shift
    return scores
