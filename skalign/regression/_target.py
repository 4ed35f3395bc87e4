r"""The model of the target: ridge and partial least squares, averaged by leave-one-out errors.

What the source says of the pairs, :math:`s(x_1)`, is regressed on the target :math:`x_2`, because
:math:`E[y \mid x_2] = E[s(x_1) \mid x_2]` where :math:`s(x_1) = E[y \mid x_1]` and the target says
nothing beyond it. Columns are taken once at unit variance, and once as they are, on a scale of
their own. In each of both ridge regressions of all penalties, and partial least squares of one to
ten components, are averaged with weights

.. math:: \omega_j \propto \mathrm{PRESS}_j^{-\tau n / 2},

the likelihood of the leave-one-out errors of :math:`n` rows (pseudo-BMA, Geisser & Eddy 1979):
:math:`\tau = 1` within a path, :math:`\tau = 1/4` between the four. With few pairs one response
tells little about the penalty, so that errors of all source columns, regressed in the same way,
join in. Arrays only.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from scipy.stats import norm, t

from .._utils._linalg import reciprocal, thin_svd
from ..alignment._whitening import signal_scale
from ._pls import pls_path
from ._ridge import Path, Rows, leverages, ridge_path, spanned

# Power of the leave-one-out likelihood between paths.
BETWEEN = 0.25
# Pairs that the source columns speak for at most, and the power of what they say.
GUARDED, GUARD = 50, 1.0
# Above so many pairs they are not asked.
MOST_GUARDED = 500
# Errors below this share of the deviation of a response are rounding.
NEGLIGIBLE = 1e-10
# Probability of the intervals that are widened for few rows.
LEVEL = 0.9


@dataclass(frozen=True)
class TargetTask:
    """What is known of the responses in a modality. Different rows, in an order of their own."""

    points: np.ndarray  # (n, d): the pairs first, then rows labelled in the target
    weights: np.ndarray  # (n,)
    responses: np.ndarray  # (n, q * f): outputs; after these the same without folds of labels
    n_outputs: int
    n_pairs: int
    source: np.ndarray  # (n_pairs, d'): the source block of the pairs, standardized
    mean: np.ndarray  # (d,)
    scale: np.ndarray  # (d,): standard deviations, zero where a column is constant


@dataclass(frozen=True)
class TargetModel:
    """A linear model, what it leaves, and how far points are from those that it knows."""

    coef: np.ndarray  # (q, d)
    intercept: np.ndarray  # (q,): prediction at the mean
    mean: np.ndarray  # (d,)
    residuals: np.ndarray  # (n, q * f): of rows that were left out
    inflation: np.ndarray  # (n, q): variance of an error where the row is left out, over the noise
    leverage: "Leverage"


@dataclass(frozen=True)
class Leverage:
    r"""Of a new point, :math:`s (1 + (|u|^2 - |W u|^2) / a)`, :math:`u` standardized."""

    share: float  # s: of a row
    unit: np.ndarray  # (d,)
    components: np.ndarray  # (r, d): W
    penalty: float  # a


def target_scale(points, weights, eps):
    """Mean and deviation of weighted rows; zero for constant columns."""
    share = weights / weights.sum()
    mean = share @ points
    return mean, signal_scale(np.sqrt(share @ (points - mean) ** 2), mean, eps)


def learn_target(task: TargetTask) -> TargetModel:
    """Average the paths of both scalings."""
    varies = task.scale > 0
    common = np.sqrt(np.mean(task.scale[varies] ** 2)) if varies.any() else 1.0
    coefs, residuals, leverage = [], [], []
    for unit in (reciprocal(task.scale), varies / common):
        rows = spanned((task.points - task.mean) * unit, task.weights)
        ridge = ridge_path(rows, task.responses)
        chances = _chances(ridge, task, guard_of(task, unit))
        leverage.append(_leverage(rows, chances, unit))
        pls = pls_path(rows, task.responses)
        for path, weights in ((ridge, chances), (pls, _chances(pls, task))):
            coef, residual = _averaged(path, weights, task)
            coefs.append((rows.right.T @ coef * unit[:, None]).T)
            residuals.append(residual)
    four = Path(np.array(coefs).transpose(0, 2, 1), np.array(residuals))
    coef, residual = _averaged(four, _chances(four, task, power=BETWEEN), task)
    share = task.weights / task.weights.sum()
    mean = share @ task.points
    intercept = share @ task.responses[:, : task.n_outputs]
    far, inflation = leverage[0]
    inflation = np.tile(inflation[:, None], task.n_outputs)
    return TargetModel(coef.T, intercept, mean, residual, inflation, far)


def without_target(model: TargetModel, task: TargetTask, which) -> TargetModel:
    """The same, some outputs of which are predicted by their mean alone."""
    share = (task.weights / task.weights.sum())[:, None]
    left = (task.responses - share.T @ task.responses) / np.maximum(1 - share, share)
    n_folds = task.responses.shape[1] // task.n_outputs
    return TargetModel(
        np.where(which[:, None], 0.0, model.coef),
        model.intercept,
        model.mean,
        np.where(np.tile(which, n_folds), left, model.residuals),
        np.where(which, 1 / np.maximum(1 - share, share), model.inflation),
        model.leverage,
    )


def held_out_r2(responses, residuals, weights) -> np.ndarray:
    """R² of predictions of rows left out, beside the mean of the others; one if constant."""
    share = (weights / weights.sum())[:, None]
    left = (responses - share.T @ responses) / np.maximum(1 - share, share)
    total, lost = (share * left**2).sum(axis=0), (share * residuals**2).sum(axis=0)
    varies = total > NEGLIGIBLE**2 * (share.T @ responses**2)[0]
    return np.where(varies, 1 - lost / np.where(varies, total, 1.0), 1.0)


def guard_of(task: TargetTask, unit):
    """What errors of the source columns say of each penalty: logarithms of chances, (p,)."""
    if not 0 < task.n_pairs <= MOST_GUARDED:
        return 0.0
    weights = task.weights[: task.n_pairs]
    left, values, _ = thin_svd(task.source)
    points = (task.points[: task.n_pairs] - task.mean) * unit
    rows = spanned(points, weights)
    path = ridge_path(rows, left * values)  # squared errors are those of the columns
    press = np.einsum("n,pnk->p", rows.share, path.residuals**2)
    floor = max(press.max() * NEGLIGIBLE**2, np.finfo(float).tiny)
    return -GUARD * min(task.n_pairs, GUARDED) / 2 * np.log(np.maximum(press, floor))


def _chances(path: Path, task: TargetTask, log_prior: np.ndarray | float = 0.0, power=1.0):
    """Weights of the models of a path, for each output: (p, q), of sum one."""
    share, q = task.weights / task.weights.sum(), task.n_outputs
    press = np.einsum("n,pnq->pq", share, path.residuals[:, :, :q] ** 2)
    responses = task.responses[:, :q]
    variance = share @ (responses - share @ responses) ** 2
    press = np.maximum(press, np.maximum(NEGLIGIBLE**2 * variance, np.finfo(float).tiny))
    log_likelihood = -power * len(share) / 2 * np.log(press)
    return softmax(log_likelihood + np.reshape(log_prior, (-1, 1)), axis=0)


def _averaged(path: Path, chances, task: TargetTask):
    """Mean coefficients (r, q) and residuals (n, q * f) of a path."""
    q, n_folds = task.n_outputs, task.responses.shape[1] // task.n_outputs
    coef = np.einsum("pq,prq->rq", chances, path.coefs[:, :, :q])
    return coef, np.einsum("pc,pnc->nc", np.tile(chances, n_folds), path.residuals)


def _leverage(rows: Rows, chances, unit) -> tuple[Leverage, np.ndarray]:
    """Leverage of new points, and what it inflates variances of left out rows by: (n,)."""
    penalty = float(np.exp(np.log(rows.penalties) @ chances.mean(axis=1)))
    squares = rows.values**2
    components = np.sqrt(squares / (squares + penalty))[:, None] * rows.right
    own = 1 / np.maximum(1 - leverages(rows, penalty), np.finfo(float).eps)
    return Leverage(float(rows.share @ rows.share), unit, components, penalty), own


def leverage_of(points, leverage: Leverage) -> np.ndarray:
    """Variance of the prediction of new centred points, over that of the noise: (n,)."""
    points = points * leverage.unit
    along = points @ leverage.components.T
    beyond = (points**2).sum(axis=1) - (along**2).sum(axis=1)
    return leverage.share * (1 + np.maximum(beyond, 0.0) / leverage.penalty)


def few_rows(weights) -> float:
    """Squared ratio of the quantiles of t and of the normal: intervals of a variance estimated."""
    share = weights / weights.sum()
    freedom = max(1 / (share @ share) - 1, 1.0)
    tail = (1 + LEVEL) / 2
    return float((t.ppf(tail, freedom) / norm.ppf(tail)) ** 2)
