r"""From rows to the task of the target, and from what it leaves to variances. Arrays only.

The error of a prediction has two parts, :math:`y - f(x_2) = (y - s(x_1)) + (s(x_1) - f(x_2))`.
The first is measured on labelled rows that the source has not seen, the second on pairs that the
target has not seen, each divided by the inflation that its leverage explains. Where labels of rows
with the target are known, :math:`y - f(x_2)` is measured itself, without the row in the target and
without its fold of labels in the source: its mean square over the sum of the two parts, shrunk to
one as if by ten rows more, multiplies both.
"""

from dataclasses import dataclass, replace

import numpy as np

from .._blocks import chains, presence
from .._utils._linalg import reciprocal
from .._utils._rows import different_rows, own_order
from ..alignment._significance import SIGNIFICANCE, shuffled_pvalue
from ..transfer._task import MOST_SHUFFLED, some_of_groups
from ._source import HeldOut, standardized
from ._target import TargetModel, TargetTask, few_rows, held_out_r2, target_scale

# Rows that the sum of both parts is worth, beside measured errors.
PRIOR_ROWS = 10.0
# How far beyond what is known predictions may lie, as a share of its width.
MARGIN = 0.25


@dataclass(frozen=True)
class Known:
    """Rows that have the target, and what is said of them."""

    source: np.ndarray  # (P, d1): of the pairs
    target: np.ndarray  # (P, d2)
    weights: np.ndarray  # (P,)
    said: np.ndarray  # (P, q): by the source
    said_by_folds: np.ndarray  # (F, P, q): by the source without a fold of the labels
    y: np.ndarray  # (P, q): NaN where unknown
    folds: np.ndarray  # (P,): fold of the labels that a pair belongs to, 0 where none
    alone: np.ndarray  # (U, d2): target of the rows that lack the source
    alone_weights: np.ndarray  # (U,)
    alone_y: np.ndarray  # (U, q)
    groups: np.ndarray | None = None  # (P,): of pairs that depend on each other


@dataclass(frozen=True)
class TwoModalities:
    """All rows, by two modalities of which one tells of the other."""

    source: np.ndarray  # (n, d1)
    target: np.ndarray  # (n, d2)
    present: np.ndarray  # (n, 2)
    weights: np.ndarray  # (n,)
    groups: np.ndarray | None = None  # (n,)

    @classmethod
    def of(cls, rows, both, groups) -> "TwoModalities":
        """Two modalities of some rows, by their positions."""
        blocks, weights = rows.blocks, rows.weights
        weights = np.ones(len(rows.X)) if weights is None else weights
        source, target = (blocks.take(rows.X, j).astype(np.float64, copy=False) for j in both)
        present = presence(rows.X, blocks)[:, both] & (weights > 0)[:, None]
        return cls(source, target, present, weights, groups)

    @property
    def pairs(self) -> np.ndarray:
        """Rows that have both."""
        return np.flatnonzero(self.present.all(axis=1))

    def known(self, said, said_by_folds, y, folds) -> Known:
        """Rows that have the target, and what is said of them."""
        pairs, alone = self.pairs, np.flatnonzero(self.present @ [-1, 1] > 0)
        return Known(
            self.source[pairs], self.target[pairs], self.weights[pairs], said, said_by_folds,
            y[pairs], folds[pairs], self.target[alone], self.weights[alone], y[alone],
            None if self.groups is None else self.groups[pairs],
        )  # fmt: skip


def path_between(rows, source: int, target: int) -> list[int]:
    """Modalities from the source to the target, of which each shares rows with the next."""
    counted = slice(None) if rows.weights is None else rows.weights > 0
    present = presence(rows.X, rows.blocks)[counted]
    rows.blocks.check_chains(present, (source,), (target,))
    return [source, *chains(present, (source,), (target,))]


def relayed(seen: TwoModalities, said, std, source: HeldOut, y) -> tuple[Known, HeldOut]:
    """What a modality says of the next one, in place of the source, and how far it errs.

    Parameters
    ----------
    seen : TwoModalities
        The modality that speaks, and the next.
    said, std : ndarray of shape (P, q)
        Its predictions of their pairs, and the deviations of these.
    source : HeldOut
        What told it.
    y : ndarray of shape (n, q)
    """
    weights = seen.weights[seen.pairs]
    mse = weights @ std**2 / weights.sum()
    known = seen.known(said, said[None], y, np.zeros(len(y), dtype=int))
    return known, replace(source, mse=mse, of_others=said[None])


@dataclass(frozen=True)
class Pairing:
    """Which different row of a task each pair, and each labelled row without the source, is."""

    pairs: np.ndarray  # (P,)
    labelled: np.ndarray  # (L,): rows among those that lack the source
    places: np.ndarray  # (L,)


def transfer_task(known: Known, eps: float, worth: float | None) -> tuple[TargetTask, Pairing]:
    """The different pairs, and rows labelled in the target, each ``worth`` so much of a pair.

    None, and nothing, leave the latter out.
    """
    n, q = known.said.shape
    first, weights, inverse = different_rows(
        (known.source, known.target), np.arange(n), known.weights
    )
    if len(first) < 2:
        raise ValueError("X has one pair of source and target: two different ones are needed.")
    mean, scale = target_scale(
        np.vstack([known.target, known.alone]),
        np.append(known.weights, known.alone_weights),
        eps,
    )
    source = standardized(known.source[first], weights)
    order = own_order([source, (known.target[first] - mean) / np.where(scale > 0, scale, 1.0)])
    first, weights, source = first[order], weights[order], source[order]
    responses = np.hstack([known.said, *known.said_by_folds])[first]
    points, pairs = known.target[first], np.argsort(order)[inverse]
    labelled, places = np.flatnonzero(np.isfinite(known.alone_y[:, 0])), np.zeros(0, dtype=int)
    if not worth:
        labelled = labelled[:0]
    if len(labelled):
        blocks = known.alone, known.alone_y
        some, more, inverse = different_rows(blocks, labelled, known.alone_weights)
        own = own_order([standardized(block[labelled[some]], more) for block in blocks])
        chosen = labelled[some[own]]
        points, weights = (
            np.vstack([points, known.alone[chosen]]),
            np.append(weights, worth * more[own]),
        )
        direct = np.tile(known.alone_y[chosen], responses.shape[1] // q)
        responses, places = np.vstack([responses, direct]), len(first) + np.argsort(own)[inverse]
    task = TargetTask(points, weights, responses, q, len(first), source, mean, scale)
    return task, Pairing(pairs, labelled, places)


def noise_of(task: TargetTask, model: TargetModel) -> np.ndarray:
    """Mean squared error of left out pairs, beside what their leverage explains: (q,)."""
    n, q = task.n_pairs, task.n_outputs
    share = task.weights[:n] / task.weights[:n].sum()
    return share @ (model.residuals[:n, :q] ** 2 / model.inflation[:n])


def errors_of_truth(known: Known, task: TargetTask, pairing: Pairing, model: TargetModel):
    """Squared errors of known labels (k, q), their inflation (k, q), and weights (k,)."""
    q = task.n_outputs
    mine = np.flatnonzero(np.isfinite(known.y[:, 0]))
    both = known.source, known.target, known.y
    some, weights, _ = different_rows(both, mine, known.weights)
    mine = mine[some]
    places = pairing.pairs[mine]
    columns = q * (1 + known.folds[mine][:, None]) + np.arange(q)
    predicted = (task.responses - model.residuals)[places[:, None], columns]
    errors, rows = [known.y[mine] - predicted], [places]
    if len(pairing.labelled):
        there = np.unique(pairing.places)
        errors.append(model.residuals[there, :q])
        rows.append(there)
        weights = np.append(weights, task.weights[there])
    return np.vstack(errors) ** 2, model.inflation[np.concatenate(rows)], weights


def limits_of(known: Known, labels) -> np.ndarray:
    """Lowest and highest prediction: what is known or said, a quarter of its width aside: (2, q).

    A linear model of few pairs has nothing to go by far from them.
    """
    seen = np.vstack([labels, known.alone_y[np.isfinite(known.alone_y[:, 0])], known.said])
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = MARGIN * (high - low)
    return np.array([low - margin, high + margin])


def agreement_of(task: TargetTask, model: TargetModel, n: int | None = None) -> np.ndarray:
    """R² of what the target says of left out rows, the pairs or the first n of all: (q,)."""
    n, q = n or task.n_pairs, task.n_outputs
    return held_out_r2(task.responses[:n, :q], model.residuals[:n, :q], task.weights[:n])


def nothing_shared(known: Known, task: TargetTask, model: TargetModel, eps: float):
    """Outputs (q,) of which the target says nothing beyond chance, and p-values (q,) or None.

    That is where the R² of rows left out, pairs and labelled ones, is zero or less; of pairs in
    groups also where others share as much, unless the target has labels of its own.
    """
    nothing = agreement_of(task, model, len(task.weights)) <= 0
    if known.groups is None or np.isfinite(known.alone_y[:, 0]).any():
        return nothing, None
    of_pairs = known.source, known.target, known.weights, known.said, known.groups
    pvalues = group_pvalues(*of_pairs, eps)
    return nothing | (pvalues > SIGNIFICANCE), pvalues


def group_pvalues(source, target, weights, said, groups, eps: float) -> np.ndarray:
    """P-values of what is said (n, q) and a target (n, d) share, were groups put together anew.

    Rows stand in the order of time in each group. Zero for outputs that are constant: there is
    nothing to be said of them.
    """
    first, total, _ = different_rows((source, target), np.arange(len(said)), weights)
    own, members = some_of_groups(groups[first], first, MOST_SHUFFLED)
    rows, weights, pvalues = first[own], total[own], np.zeros(said.shape[1])
    mean, scale = target_scale(target[rows], weights, eps)
    points = (target[rows] - mean) * reciprocal(scale)
    for j, numbers in enumerate(said[rows].T):
        if np.ptp(numbers) > 0:
            blocks = standardized(numbers[:, None], weights), points
            pvalues[j] = shuffled_pvalue(blocks, weights, members)
    return pvalues


def worth_of_labels(noise, source_mse) -> float:
    """Weight of a label beside what the source says, which lacks the noise of labels."""
    if source_mse is None or not (noise + source_mse > 0).any():
        return 1.0
    total = noise + source_mse
    return float(np.mean(noise[total > 0] / total[total > 0]))


def prior_of(task: TargetTask, source: HeldOut):
    """Mean and deviation of the pairs, labels' own errors included: (q,) each."""
    weights = task.weights[: task.n_pairs]
    share = weights / weights.sum()
    said = task.responses[: task.n_pairs, : task.n_outputs]
    mean = share @ said
    variance = share @ (said - mean) ** 2 * (1 + share @ share) * few_rows(weights)
    own = 0.0 if source.mse is None else source.mse * few_rows(source.weights)
    return mean, np.sqrt(variance + own)


def variances(noise, source: HeldOut, measured, task: TargetTask, nothing):
    """Variance that grows with leverage, and the one that is the same everywhere: (q,) each.

    Parameters
    ----------
    noise : ndarray of shape (q,)
    source : HeldOut
    measured : tuple
        Of :func:`errors_of_truth`.
    task : TargetTask
    nothing : ndarray of bool, shape (q,)
        Outputs that are predicted by their mean.
    """
    errors, inflation, weights = measured
    own = np.zeros_like(noise) if source.mse is None else source.mse
    ratio = np.ones_like(noise)
    if len(weights):
        expected = noise * inflation + own
        expected = np.maximum(expected, 1e-12 * errors.max(axis=0) + np.finfo(float).tiny)
        share = weights / weights.sum()
        count, prior = 1 / (share @ share), 0.0 if source.mse is None else PRIOR_ROWS
        ratio = (count * (share @ (errors / expected)) + prior) / (count + prior)
    pairs = task.weights[: task.n_pairs]
    noise = ratio * few_rows(pairs) * noise
    own = ratio * own * (few_rows(source.weights) if len(source.weights) else 1.0)
    of_mean = noise * (1 + np.sum((pairs / pairs.sum()) ** 2))
    return np.where(nothing, 0.0, noise), own + np.where(nothing, of_mean, 0.0)
