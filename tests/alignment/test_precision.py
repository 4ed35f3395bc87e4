"""Numerics against 50 digits: errors are rounding times the condition number of the question.

The oracle solves the equations of the docs by mpmath, from the same floats: covariances of columns
at unit variance, shrunk, and the smallest eigenvectors of the loss under each gauge. It shares no
line with the package. Every bound has the same constant,

    error <= C * eps * condition number,      C = 16,

with the condition number of what is asked, not of how it is computed:

- whitened maps: that of the worst block at unit column variances, times ``1 + |mean| / deviation``
  of the worst column; over the gap to the next eigenvalue, of a subspace;
- orthonormal maps: the largest singular value of the stacked blocks over the gap, of a subspace;
  of the loss of a shrunk model, eigenvalues in their place;
- moments without a root lose the square: ``solver="covariance"``.
"""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from skalign import NullSpaceAligner
from skalign.alignment._significance import roy_pvalue

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp

EPS = np.finfo(float).eps
C = 16
WIDTHS = {2: (3, 4), 3: (3, 2, 4)}
K = 2  # components that are compared


@pytest.fixture(autouse=True, scope="module")
def fifty_digits():
    """In this file only."""
    before, mp.dps = mp.dps, 50
    yield
    mp.dps = before


@cache
def rows(seed, digits, n_modalities, scaled):
    """Thirty rows; blocks of singular values from 1 to ``10**-digits``, columns maybe scaled."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(30, 4))
    blocks = []
    for d in WIDTHS[n_modalities]:
        noise = np.array([0.4, 0.9, 2.0, 5.0])[:d]  # so that correlations are well apart
        white = np.linalg.qr(z[:, :d] + noise * rng.normal(size=(30, d)))[0]
        mix = np.linalg.qr(rng.normal(size=(d, d)))[0]
        blocks.append((white * 10.0 ** -np.linspace(0, digits, d)) @ mix + rng.normal(size=d))
    X = np.hstack(blocks)
    return X * 10.0 ** rng.integers(-6, 7, size=X.shape[1]) if scaled else X


def power(A, exponent):
    """Of a symmetric matrix; and its eigenvalues."""
    values, vectors = mp.eigsy(A)
    return vectors * mp.diag([v**exponent for v in values]) * vectors.T, list(values)


def shrinkage_of(R, n, asked):
    """As the docs tell: none, a share, or oracle approximating, worth d + 1 pairs at most."""
    if asked != "auto":
        return mp.mpf(asked or 0)
    d = R.rows
    square = sum(R[i, j] ** 2 for i in range(d) for j in range(d)) / d**2
    oas = (square + 1) / ((n + 1) * (square - mp.mpf(1) / d))
    return min(mp.mpf(d + 1) / (n + d + 1), oas, mp.mpf(1))


def second_moments(X):
    """Deviations of columns, their correlations, and the worst mean over deviation."""
    n, d = X.shape
    A = mp.matrix(X.tolist())
    mean = [sum(A[:, j]) / n for j in range(d)]
    centred = mp.matrix([[A[i, j] - mean[j] for j in range(d)] for i in range(n)])
    S = centred.T * centred / n
    unit = [mp.sqrt(S[j, j]) for j in range(d)]
    R = mp.matrix([[S[i, j] / unit[i] / unit[j] for j in range(d)] for i in range(d)])
    return centred, unit, R, max(1 + abs(mu) / s for mu, s in zip(mean, unit, strict=True))


@cache
def solved(seed, digits, n_modalities, scaled, whiten, shrinkage):
    """The smallest eigenvectors of the loss, as functionals of x, and what they say."""
    X = rows(seed, digits, n_modalities, scaled)
    centred, unit, R, offset = second_moments(X)
    edges = np.cumsum([0, *WIDTHS[n_modalities]])
    at = [slice(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    owner = [m for m, a in enumerate(at) for _ in range(a.stop - a.start)]
    blocks = [R[a, a] for a in at]
    alphas = [shrinkage_of(block, len(X), shrinkage) for block in blocks]
    keep = mp.diag([mp.sqrt(1 - alphas[m]) for m in owner])
    model = keep * R * keep + mp.diag([alphas[m] for m in owner])
    diagonal = model.copy()
    for i, m in enumerate(owner):
        for j, l in enumerate(owner):
            diagonal[i, j] *= m == l
    loss = n_modalities * diagonal - model
    # v' D v = M for white latents, v' v = 1 in units of x for orthonormal maps
    gauge = power(diagonal, mp.mpf(-0.5))[0] if whiten else mp.diag(unit)
    values, vectors = mp.eigsy(gauge * loss * gauge)
    maps = gauge * vectors[:, :K]
    roots = [power(block, 1)[1] for block in blocks]
    return SimpleNamespace(
        at=at,
        centred=centred,
        values=list(values),
        functionals=mp.diag([1 / u for u in unit]) * maps,
        correlations=[mean_correlation(maps[:, j], model, at) for j in range(K)],
        condition=offset * max(mp.sqrt(max(r) / min(r)) for r in roots),
    )


def mean_correlation(v, model, at):
    """Of one component, over pairs of modalities."""
    cov = [[(v[a, :].T * model[a, b] * v[b, :])[0] for b in at] for a in at]
    pairs = [(m, l) for m in range(len(at)) for l in range(m)]
    return sum(cov[m][l] / mp.sqrt(cov[m][m] * cov[l][l]) for m, l in pairs) / len(pairs)


def sine(found, expected):
    """Of the largest principal angle between the columns of two matrices."""
    P, Q = (mp.qr(A, mode="skinny")[0] for A in (found, expected))
    return mp.mnorm(P - Q * (Q.T * P), "f")


def latents(true, functionals):
    """Of all modalities, one above the other."""
    parts = [(true.centred[:, a] * functionals[a, :]).tolist() for a in true.at]
    return mp.matrix([row for part in parts for row in part])


def fitted(seed, digits, n_modalities, scaled, **options):
    """An aligner, and its functionals (d, K) of x."""
    aligner = NullSpaceAligner(
        K, modalities=list(WIDTHS[n_modalities]), random_state=0, **options
    ).fit(rows(seed, digits, n_modalities, scaled))
    assert aligner.ranks_.tolist() == list(WIDTHS[n_modalities])
    coefs = np.hstack([encoder.coef_ for encoder in aligner.encoders_]).T
    return aligner, mp.matrix(coefs.tolist())


@pytest.mark.parametrize("solver", ["qr", "auto", "covariance"])
@pytest.mark.parametrize("shrinkage", [None, 0.1, "auto"])
@pytest.mark.parametrize("n_modalities", [2, 3])
def test_whitened_maps(n_modalities, shrinkage, solver):
    """Latents, correlations and losses, up to a condition number of 1e14, at any scale."""
    for digits in (0, 3) if solver == "covariance" else (0, 3, 6, 9, 12):
        for scaled in (False, True):
            case = digits, digits, n_modalities, scaled
            true = solved(*case, True, shrinkage)
            aligner, found = fitted(*case, shrinkage=shrinkage, solver=solver)
            bound = C * EPS * true.condition ** (2 if solver == "covariance" else 1)
            gap = (true.values[K] - true.values[K - 1]) / true.values[-1]
            angle = sine(latents(true, found), latents(true, true.functionals))
            assert angle <= bound / gap
            for j in range(K):
                assert abs(aligner.correlations_[j] - true.correlations[j]) <= bound
                assert abs(mp.mpf(aligner.singular_values_[j]) ** 2 - true.values[j]) <= bound


@pytest.mark.parametrize("solver", ["qr", "auto", "covariance"])
@pytest.mark.parametrize("shrinkage", [None, 0.1, "auto"])
@pytest.mark.parametrize("n_modalities", [2, 3])
def test_orthonormal_maps(n_modalities, shrinkage, solver):
    """The null space of the stacked blocks: maps themselves, and singular values.

    Unshrunk singular values below 1e-12 of the largest count as zero, and are not asked for here.
    """
    asked = 0
    root = shrinkage is None and solver != "covariance"
    for digits in (0, 3) if solver == "covariance" else (0, 3, 6, 9):
        for scaled in (False, True):
            case = digits, digits, n_modalities, scaled
            true = solved(*case, False, shrinkage)
            values = [mp.sqrt(v) for v in true.values] if root else true.values
            if root and values[0] < 1e-11 * values[-1]:
                continue
            asked += 1
            aligner, found = fitted(*case, shrinkage=shrinkage, solver=solver, whiten=False)
            gap = (values[K] - values[K - 1]) / values[-1]
            assert sine(found, true.functionals) <= C * EPS / gap
            for j in range(K):
                size = mp.mpf(aligner.singular_values_[j]) ** (1 if root else 2)
                assert abs(size - values[j]) <= C * EPS * values[-1]
    assert asked >= 4 or not root


def roy(squared, p, q, dof):
    """P-value of the largest root, by the approximation of Johnstone and the law of Chiani."""
    p, q = sorted((p, q))
    if p == 1:  # the squared multiple correlation has a beta law
        return mp.betainc(mp.mpf(dof - q) / 2, mp.mpf(q) / 2, 0, 1 - squared, regularized=True)
    total = dof - 1
    gamma, phi = (2 * mp.asin(mp.sqrt((d - mp.mpf(0.5)) / total)) for d in (p, q))
    centre = 2 * mp.log(mp.tan((phi + gamma) / 2))
    width = mp.cbrt(16 / (total**2 * mp.sin(phi + gamma) ** 2 * mp.sin(phi) * mp.sin(gamma)))
    x = (mp.log(squared / (1 - squared)) - centre) / width
    shape, scale, shift = (mp.mpf(s) for s in ("46.446", "0.186054", "9.84801"))
    return mp.gammainc(shape, max((x + shift) / scale, 0), regularized=True)


@pytest.mark.parametrize("p", [1, 2, 5])
@pytest.mark.parametrize("q", [1, 3, 12])
@pytest.mark.parametrize("dof", [29, 400])
def test_pvalue_of_a_correlation(p, q, dof):
    """That of a correlation within a few units of rounding, down to 1e-250."""
    for squared in (1e-3, 0.03, 0.2, 0.5, 0.9):
        off = C * EPS
        low, high = (roy(mp.mpf(squared) * (1 + s * off), p, q, dof) for s in (1, -1))
        found = roy_pvalue(squared, p, q, dof)
        assert low * (1 - 100 * off) <= found <= high * (1 + 100 * off)


@pytest.mark.parametrize("solver", ["qr", "auto", "covariance"])
@pytest.mark.parametrize("digits", [0, 3, 6, 9])
def test_pvalues_of_pairs(digits, solver):
    """Each is that of a correlation within the bound, and none is smaller than the one before."""
    if solver == "covariance" and digits > 3:
        return
    case = digits, digits, 2, False
    true = solved(*case, True, None)
    bound = C * EPS * true.condition ** (2 if solver == "covariance" else 1)
    for shrinkage in (None, "auto"):  # they are of the pairs, whatever the model
        aligner, _ = fitted(*case, shrinkage=shrinkage, solver=solver)
        before = 0
        for j in range(K):
            rho, sizes = true.correlations[j], (3 - j, 4 - j, 29 - j)
            low, high = (roy(min(rho + s * bound, 1) ** 2, *sizes) for s in (1, -1))
            found = aligner.pvalues_[j]
            assert max(low, before) * (1 - 1e-12) <= found <= max(high, before) * (1 + 1e-12)
            before = found
