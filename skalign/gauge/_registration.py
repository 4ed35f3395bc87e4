r"""The affine map under which rows follow a known mixture of Gaussians. Arrays only.

Rows :math:`w_i` are an unknown affine map of latents from :math:`\sum_c \pi_c N(\mu_c, \Sigma_c)`.
The map back, :math:`z = B w + b`, is that of maximum likelihood,

.. math:: \max_{B, b} \; \frac1n \sum_i \log \sum_c \pi_c N(B w_i + b; \mu_c, \Sigma_c)
          + \log |\det B| ,

the constrained transform of M. J. F. Gales, "Maximum likelihood linear transformations for
HMM-based speech recognition" (1998), for one class of regression. With white rows, and the known
mixture in coordinates in which it is white, :math:`B` is orthogonal up to sampling error. Which
orthogonal matrix it is decides on the maximum that a climb ends at, so many are tried:

- A free mixture of as many components is fitted to the rows, :math:`N(\hat\mu_c, \hat\Sigma_c)`.
  For components matched by :math:`\sigma`,

  .. math:: Q \leftarrow \mathrm{polar} \Big( \sum_c \pi_c \big( \mu_c \hat\mu_{\sigma(c)}^\top
            + \Sigma_c Q \hat\Sigma_{\sigma(c)} \big) \Big)

  climbs :math:`\sum_c \pi_c (2 \mu_c^\top Q \hat\mu_{\sigma(c)} + \mathrm{tr} \, \Sigma_c Q
  \hat\Sigma_{\sigma(c)} Q^\top)`, which is convex in :math:`Q`: so that covariances tell what
  means leave open. For a given :math:`Q` components are matched by linear assignment. Both take
  turns (Besl & McKay 1992, with components in place of points), from matchings of what no rotation
  changes, seen from one pair of components at a time, and from random rotations. That is
  polynomial in the number of components.
- Random rotations, for rows whose mixture cannot be told apart without knowing it.
- Rotations that nearly map the known mixture onto itself: what lower maxima are made of. Where
  one of these is as likely, the rows do not tell which it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment, minimize
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_array

from .._utils._quiet import quietly
from .._utils._rows import own_order, row_blocks, spread_rows

# Rows that the search looks at; the map that it finds is refined on all.
MOST_ROWS = 5000
# Rows by which candidates are ranked before any climbs.
FEW_ROWS = 1000
# Pairs of components from which a matching is tried.
MOST_PAIRS = 400
# A map is ruled out where the rows are so many times likelier under another.
ODDS = 100.0
# Standard error, in radians, beyond which an angle is not known.
OPEN_ANGLE = 0.5
# Steps of the search: matchings, polar factors, climbs of many and of a few candidates.
MATCHINGS, POLARS, SHORT, LONG = 30, 50, 15, 500
# Times that the best map so far is turned.
HOPS = 10
# White maps are the same below this distance of their entries, and a rotation stands still.
SAME, STILL = 0.05, 1e-3


@dataclass(frozen=True)
class Gaussians:
    """Weights (C,), means (C, k) and covariances (C, k, k) of a mixture."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def mapped(self, matrix, offset=0.0) -> "Gaussians":
        """The mixture of ``matrix @ z + offset``."""
        covariances = matrix @ self.covariances @ matrix.T
        return replace(self, means=self.means @ matrix.T + offset, covariances=covariances)

    def moments(self, center: bool):
        """Mean (k,), zero unless asked for, and second moment about it (k, k)."""
        mean = self.weights @ self.means * center
        means = self.means - mean
        within = np.tensordot(self.weights, self.covariances, axes=1)
        return mean, (means.T * self.weights) @ means + within


@dataclass(frozen=True)
class Registration:
    """Maps (E, k, k) and offsets (E, k) of the rows, the likeliest first, and what is open."""

    matrices: np.ndarray
    offsets: np.ndarray
    log_likelihood: float  # mean over rows, of the first
    n_open_angles: int


def register(Z, known: Gaussians, *, center: bool, n_init: int, random_state) -> Registration:
    """The affine map of rows to a known mixture; a linear one unless they are centred.

    Parameters
    ----------
    Z : ndarray of shape (n, k)
        Of full rank.
    known : Gaussians
    center : bool
    n_init : int
        Starts of the free mixture, and candidates that are refined.
    random_state : RandomState
    """
    mean, whitening = _whitening_of_rows(Z, center)
    W = (Z - mean) @ whitening
    known_mean, moment = known.moments(center)
    values, vectors = np.linalg.eigh(moment)
    root = (vectors * np.sqrt(values)) @ vectors.T
    white = known.mapped(np.linalg.inv(root), -np.linalg.solve(root, known_mean))
    rows = _Rows(W, white, center)
    found = rows.climbed(_search(rows, n_init, random_state), LONG)
    odds = np.log(ODDS) / len(Z)
    found = [f for f in _distinct(found) if f[0] > found[0][0] - odds]
    jacobian = np.linalg.slogdet(whitening)[1]
    matrices = np.array([root @ B @ whitening.T for _, B, _ in found])
    offsets = np.array([root @ b for _, _, b in found]) + known_mean - matrices @ mean
    angles = _n_open_angles(rows, found[0])
    return Registration(matrices, offsets * center, found[0][0] + jacobian, angles)


def _whitening_of_rows(Z, center):
    """Mean (k,) and matrix (k, k) that make rows white."""
    mean = Z.mean(axis=0) * center
    _, values, right = np.linalg.svd((Z - mean) / np.sqrt(len(Z)), full_matrices=False)
    return mean, (right.T / values) @ right


# -- likelihood -----------------------------------------------------------------------------------


class _Rows:
    """White rows, so many of ``n`` in all, and the known mixture that they are mapped to."""

    def __init__(self, W, known: Gaussians, center: bool, n: int | None = None):
        self.W, self.n = W, len(W) if n is None else n
        self.known, self.center, self.k = known, center, W.shape[1]
        self.rows = np.vstack([W.T, np.ones(len(W))])
        roots = np.linalg.inv(np.linalg.cholesky(known.covariances))
        self.roots = roots.reshape(-1, self.k)  # one below the other
        self.centers = np.einsum("cij,cj->ci", roots, known.means).ravel()
        logdets = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
        self.constants = np.log(known.weights) + logdets - 0.5 * self.k * np.log(2 * np.pi)

    def some(self, most: int) -> "_Rows":
        """At most so many rows, whatever their order."""
        order = own_order([self.W])
        W = self.W[order[spread_rows(len(order), most)]]
        return _Rows(W, self.known, self.center, self.n)

    def likelihood(self, B, b):
        """Mean log likelihood of a map, and its gradients."""
        value, pull = np.linalg.slogdet(B)[1], np.zeros((self.k, self.k + 1))
        maps = np.column_stack([B, b])
        for rows in row_blocks(len(self.W), self.roots.shape[0]):
            some = self.rows[:, rows]
            residuals = self.roots @ (maps @ some) - self.centers[:, None]
            stacked = residuals.reshape(-1, self.k, residuals.shape[1])
            joint = self.constants[:, None] - 0.5 * np.einsum("cjn,cjn->cn", stacked, stacked)
            largest = joint.max(axis=0)
            resp = np.exp(joint - largest)
            total = resp.sum(axis=0)
            value += np.sum(largest + np.log(total)) / len(self.W)
            stacked *= (resp / (total * len(self.W)))[:, None]
            pull -= self.roots.T @ (residuals @ some.T)
        return value, pull[:, :-1] + np.linalg.inv(B).T, pull[:, -1]

    def climb(self, B, b, max_iter: int):
        """A local maximum of the likelihood: its value, the map and its offset."""
        size = self.k**2

        def loss(theta):
            offset = theta[size:] if self.center else np.zeros(self.k)
            value, dB, db = self.likelihood(theta[:size].reshape(self.k, self.k), offset)
            return -value, -np.append(dB.ravel(), db if self.center else [])

        start = np.append(B.ravel(), b if self.center else [])
        options = {"maxiter": max_iter, "maxcor": 20, "ftol": 1e-15, "gtol": 1e-8}
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
        offset = found.x[size:] if self.center else np.zeros(self.k)
        return -found.fun, found.x[:size].reshape(self.k, self.k), offset

    def climbed(self, candidates, max_iter: int):
        """Local maxima above some candidates, the highest first."""
        found = [self.climb(B, b, max_iter) for _, B, b in candidates]
        return sorted(found, key=_descending)


def _distinct(candidates):
    """Candidates in order, without those that are close to one before."""
    kept: list = []
    for value, B, b in candidates:
        near = [np.abs(B - C).max() + np.abs(b - c).max() < SAME for _, C, c in kept]
        if not any(near):
            kept.append((value, B, b))
    return kept


def _n_open_angles(rows: _Rows, found) -> int:
    """Number of rotations whose angle the rows do not tell, by the observed information."""
    _, B, b = found
    rows, upper = rows.some(MOST_ROWS), np.triu_indices(rows.k, 1)

    def torque(skew):
        turn = np.eye(rows.k) + skew + skew @ skew / 2
        _, dB, db = rows.likelihood(turn @ B, turn @ b)
        pull = dB @ (turn @ B).T + np.outer(db, turn @ b)
        return (pull - pull.T)[upper]

    step, information = 1e-4, np.empty((len(upper[0]),) * 2)
    for j, (p, q) in enumerate(zip(*upper, strict=True)):
        skew = np.zeros((rows.k, rows.k))
        skew[p, q], skew[q, p] = step, -step
        information[j] = (torque(-skew) - torque(skew)) / (2 * step)
    values = np.linalg.eigvalsh((information + information.T) / 2)
    return int(np.sum(values * rows.n < OPEN_ANGLE**-2))


# -- search ---------------------------------------------------------------------------------------


def _search(rows: _Rows, n_init: int, rng):
    """Candidates for the best map, close to maxima of the likelihood."""
    few = rows.some(MOST_ROWS)
    fewer = few.some(FEW_ROWS)
    free = _free_mixture(few, n_init, rng)
    rotations = _random_rotations(few.k, 10 * n_init, rng)
    if free is not None:
        rotations += _matching_rotations(few.known, free, n_init, rng)
    tried = _ranked(fewer, rotations, np.eye(few.k), np.zeros(few.k))
    found = few.climbed(_distinct(tried)[:n_init], SHORT)
    found = few.climbed(_distinct(found)[:3], LONG)
    turns = _matching_rotations(few.known, few.known, n_init, rng) + _reflections(few.known)
    for _ in range(HOPS):
        best, B, b = found[0]
        turned = _distinct([found[0], *_ranked(fewer, turns, B, b)])[1:]
        found = _distinct(sorted([*found, *few.climbed(turned[:n_init], SHORT)], key=_descending))
        if found[0][0] <= best + 1e-9:
            break
        found = few.climbed(found[:n_init], LONG)
    # the margin leaves room for what climbing, and the rows that were left out, may say
    return [f for f in found if f[0] > found[0][0] - 10 * np.log(ODDS) / len(few.W)][:n_init]


def _descending(candidate):
    return -candidate[0]


def _ranked(rows: _Rows, rotations, B, b):
    """A map turned by each of some rotations, the likeliest first."""
    turned = ((Q @ B, Q @ b) for Q in rotations)
    return sorted(((rows.likelihood(*maps)[0], *maps) for maps in turned), key=_descending)


def _free_mixture(rows: _Rows, n_init: int, rng):
    """A mixture fitted to the rows; None where these are fewer than its components."""
    n_components = len(rows.known.weights)
    if n_components > len(rows.W):
        return None
    options = {"n_init": n_init, "init_params": "k-means++", "reg_covar": 1e-4}
    model = GaussianMixture(n_components, random_state=rng, **options)
    with quietly(ConvergenceWarning), config_context(array_api_dispatch=False):
        model.fit(rows.W)
    return Gaussians(model.weights_, model.means_, model.covariances_)


def _random_rotations(k: int, n: int, rng):
    """Orthogonal matrices, evenly distributed."""
    rotations = []
    for matrix in rng.normal(size=(n, k, k)):
        Q, R = np.linalg.qr(matrix)
        rotations.append(Q * np.sign(np.diagonal(R)))
    return rotations


def _matching_rotations(known: Gaussians, seen: Gaussians, n_init: int, rng):
    """Orthogonal matrices that map one mixture close to another, the closest first."""
    starts = [
        _matched_rotation(known, seen, order, np.eye(known.means.shape[1]))
        for order in _first_matchings(known, seen, 5 * n_init)
    ]
    starts += _random_rotations(known.means.shape[1], 5 * n_init, rng)
    found = sorted((_iterated(known, seen, Q) for Q in starts), key=_ascending)
    return [Q for _, Q in found]


def _ascending(candidate):
    return candidate[0]


def _reflections(known: Gaussians):
    """Reflections along one or two axes of a component, where covariances have to decide."""
    n_components, k = known.means.shape
    if n_components > k:
        return []
    turns = []
    for axes in np.linalg.eigh(known.covariances)[1]:
        single = np.eye(k) - 2 * np.einsum("ij,lj->jil", axes, axes)
        first, second = np.triu_indices(k, 1)
        turns += [*single, *(single[first] @ single[second])]
    return turns


def _iterated(known: Gaussians, seen: Gaussians, rotation):
    """Matching and rotation in turns, until the matching stays: the distance, and the rotation."""
    last = None
    for _ in range(MATCHINGS):
        costs = _distances(known, seen.mapped(rotation))
        order = linear_sum_assignment(costs)[1]
        if last is not None and np.array_equal(order, last):
            break
        last, rotation = order, _matched_rotation(known, seen, order, rotation)
    return costs[np.arange(len(order)), order].sum(), rotation


def _distances(known: Gaussians, seen: Gaussians):
    """Squared distances (C, C) of means, covariances and weights."""
    parts = [
        (g.means, g.covariances.reshape(len(g.means), -1), _scaled_roots(g)[:, None])
        for g in (known, seen)
    ]
    a, b = (np.hstack(part) for part in parts)
    return np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T


def _scaled_roots(g: Gaussians):
    """Square roots of weights, of mean square one."""
    return np.sqrt(g.weights * len(g.weights))


def _matched_rotation(known: Gaussians, seen: Gaussians, order, rotation):
    """The orthogonal matrix that maps matched components onto each other, near a given one."""
    weights = known.weights[:, None]
    cross = (known.means * weights).T @ seen.means[order]
    left, right = known.covariances * weights[:, :, None], seen.covariances[order]
    for _ in range(POLARS):
        last = rotation
        U, _, V = np.linalg.svd(cross + np.sum(left @ last @ right, axis=0))
        rotation = U @ V
        if np.abs(rotation - last).max() < STILL:
            break
    return rotation


def _first_matchings(known: Gaussians, seen: Gaussians, most: int):
    """Matchings by what no rotation changes, as each of some pairs of components sees it."""
    a, b = _invariants(known), _invariants(seen)
    own = [x[np.arange(len(x)), np.arange(len(x))] for x in (a, b)]
    similar = np.argsort(np.sum((own[0][:, None] - own[1]) ** 2, axis=2), axis=None)
    matchings = {}
    for c, d in zip(*np.unravel_index(similar[:MOST_PAIRS], (len(a), len(b))), strict=True):
        costs = np.sum((a[c][:, None] - b[d]) ** 2, axis=2)
        order = linear_sum_assignment(costs)[1]
        matchings[tuple(order)] = costs[np.arange(len(order)), order].sum()
    return [np.array(order) for order in sorted(matchings, key=matchings.__getitem__)[:most]]


def _invariants(g: Gaussians):
    """What no rotation changes of every component as each component sees it, (C, C, 6)."""
    m, S = g.means, g.covariances
    norms, inner = np.linalg.norm(m, axis=1), m @ m.T
    traces, cross = np.einsum("cii->c", S), np.einsum("cij,dij->cd", S, S)
    spread = np.einsum("ci,dij,cj->cd", m, S, m)
    each = np.array([norms, traces, _scaled_roots(g)])
    shown = np.broadcast_to(each.T, (len(m), *each.T.shape))
    seen = np.stack([inner / np.maximum(norms, 1e-12)[:, None], cross, spread], axis=2)
    return np.concatenate([shown, seen], axis=2)


# -- what is known --------------------------------------------------------------------------------


def known_mixture(mixture, k: int) -> Gaussians:
    """A mixture of so many dimensions, from a fitted estimator or from arrays."""
    if isinstance(mixture, Mapping):
        absent = [name for name in ("means", "covariances") if name not in mixture]
        if absent:
            raise ValueError(f"mixture lacks {absent[0]!r}: it needs 'means' and 'covariances'.")
        unknown = sorted(set(mixture) - {"means", "covariances", "weights"})
        if unknown:
            raise ValueError(
                f"mixture has {unknown[0]!r}: give 'means', 'covariances', 'weights'."
            )
        parts = mixture["means"], mixture["covariances"], mixture.get("weights")
    else:
        parts = _parts_of_estimator(mixture)
    means = check_array(parts[0], dtype=np.float64, input_name="means of mixture")
    if means.shape[1] != k:
        raise ValueError(
            f"mixture has {means.shape[1]} dimensions but X has {k} columns: they must be equal."
        )
    weights = np.full(len(means), 1 / len(means)) if parts[2] is None else parts[2]
    return _checked_mixture(means, np.asarray(parts[1], dtype=float), np.asarray(weights, float))


def _parts_of_estimator(mixture):
    """Means, covariances and weights of a fitted mixture of scikit-learn."""
    names = ("means_", "covariances_", "weights_")
    if not all(hasattr(mixture, name) for name in names):
        raise ValueError(
            f"mixture={mixture!r} is not fitted: pass a fitted GaussianMixture, inside "
            "FrozenEstimator so that clones keep it, or a mapping of arrays."
        )
    means, covariances, weights = (np.asarray(getattr(mixture, name)) for name in names)
    if mixture.covariance_type == "spherical":
        covariances = covariances[:, None, None] * np.eye(means.shape[1])
    elif mixture.covariance_type == "diag":
        covariances = covariances[:, :, None] * np.eye(means.shape[1])
    return means, covariances, weights


def _checked_mixture(means, covariances, weights) -> Gaussians:
    n_components, k = means.shape
    if covariances.shape not in ((k, k), (n_components, k, k)):
        raise ValueError(
            f"covariances of mixture have shape {covariances.shape}: {(n_components, k, k)}, or "
            f"{(k, k)} for all, are needed for means of shape {means.shape}."
        )
    covariances = np.broadcast_to(covariances, (n_components, k, k))
    symmetric = np.allclose(covariances, covariances.transpose(0, 2, 1))
    if not symmetric or not np.isfinite(covariances).all() or not _positive(covariances):
        raise ValueError("covariances of mixture must be symmetric and positive definite.")
    if weights.shape != (n_components,):
        raise ValueError(
            f"weights of mixture have shape {weights.shape} for {n_components} components."
        )
    if not np.all(weights > 0) or not np.isclose(weights.sum(), 1.0):
        raise ValueError("weights of mixture must be positive and sum to 1.")
    return Gaussians(weights, means, covariances)


def _positive(covariances) -> bool:
    scale = np.einsum("cii->ci", covariances)
    if np.any(scale <= 0):
        return False
    scale = np.sqrt(scale)
    correlations = covariances / (scale[:, :, None] * scale[:, None, :])
    return bool(np.linalg.eigvalsh(correlations).min() > 1e-12)
