r"""Numbers of a report: about the pairs, what they share, and the target.

How many pairs may be mixed up is told by pairs held out. Let G be the law of the pointwise mutual
information of rows whose modalities belong to different samples: it is seen by shuffling. A share
:math:`\pi` of the pairs follows it, and half of these are below its median,

.. math:: P(s < \operatorname{med} G) = \pi / 2 + (1 - \pi) \, P(s < \operatorname{med} G
          \mid \text{true pair}),

so that :math:`2 P(s < \operatorname{med} G)` is at least :math:`\pi`, and near to it where true
pairs seldom look like others. How often they would, if no pair were mixed up, the fitted model
tells: pairs are drawn from it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold
from sklearn.utils import Bunch

from .._utils._quiet import quietly
from ..alignment._gaussian import Information
from ..alignment._significance import SIGNIFICANCE
from ..model_selection import estimate_accuracy
from ._correlation import CorrelationDisplay, shuffled_correlations
from ._input import PairedRows, class_codes, refitted, unnamed
from ._loadings import names_of

# Shuffles of the pairs of a fold, pairs drawn from the model, and rows that are named as the least
# likely pairs.
SHUFFLES, DRAWN, WORST = 5, 2000, 5


def about_pairs(aligner, rows: PairedRows, n_permutations, n_folds, groups, rng) -> Bunch:
    """Counts by pattern, correlations beside shuffled pairs, pairs that look mixed up."""
    full = refitted(aligner, rows.X, rows.blocks, n_components=None)
    display = CorrelationDisplay(
        full.correlations_,
        pvalues=full.pvalues_,
        n_exact=full.n_exact_components_,
        null_correlations=shuffled_correlations(
            aligner, rows, n_permutations, full.n_components_, rng
        ),
        n_pairs=full.n_pairs_,
    )
    patterns, counts = np.unique(rows.present, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shared, above = display.kinds() < 2, display.correlations > display.band_
    return Bunch(
        display=display,
        names=aligner.modality_names_,
        patterns=[(patterns[i].tolist(), int(counts[i])) for i in order],
        n_rows=len(rows.X),
        n_complete=len(rows.pairs),
        n_pairs=full.n_pairs_,
        n_features=[len(rows.blocks.indices(m)) for m in range(len(rows.blocks))],
        pvalue=float(full.pvalues_[0]),
        n_shared=int(np.sum(shared)),
        n_exact=int(full.n_exact_components_),
        n_above=int(np.sum(shared & (above | (np.arange(len(above)) < full.n_exact_components_)))),
        is_chance=bool(full.pvalues_[0] > SIGNIFICANCE),
        **mixed_up(aligner, rows, n_folds, groups, rng),
    )


def mixed_up(aligner, rows: PairedRows, n_folds: int, groups, rng) -> dict:
    """Share of pairs that look mixed up, at most, its error, and the least likely pairs.

    Beside it what the share would be of faultless pairs that are related as these are. NaN where
    there are too few pairs to hold some out.
    """
    pairs, expected = rows.pairs, []
    told: dict[str, Any] = {"mixed": np.nan, "mixed_error": np.nan, "mixed_expected": np.nan}
    told["least_likely"] = []
    scores, below = np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
    for _, test in _folds(pairs, n_folds, groups, rng):
        kept = np.delete(np.arange(len(rows.X)), pairs[test])
        # too few are left; of chance is told elsewhere
        with suppress(ValueError), quietly(UserWarning):
            fitted = refitted(aligner, rows.X[kept], rows.blocks)
            held = PairedRows(rows.X[pairs[test]], rows.present[pairs[test]], rows.blocks)
            strangers = [fitted.score_samples(held.shuffled(rng)) for _ in range(SHUFFLES)]
            scores[test] = fitted.score_samples(held.X)
            usual = np.median(strangers)
            below[test] = scores[test] < usual
            expected.append(np.mean(drawn_scores(fitted, rng) < usual))
    seen = np.isfinite(scores)
    if not seen.any():
        return told
    low = float(np.mean(below[seen]))
    told["mixed"] = min(1.0, 2 * low)
    told["mixed_expected"] = min(1.0, 2 * float(np.mean(expected)))
    told["mixed_error"] = 2 * float(np.sqrt(max(low * (1 - low), 0.0) / seen.sum()))
    worst = np.flatnonzero(seen)[np.argsort(scores[seen], kind="stable")[:WORST]]
    told["least_likely"] = pairs[worst].tolist()
    return told


def drawn_scores(aligner, rng) -> np.ndarray:
    """Pointwise mutual information of pairs that are drawn from the model of an aligner."""
    variances, axes = np.linalg.eigh(aligner.latent_covariance_)
    root = axes * np.sqrt(np.maximum(variances, 0.0))
    information = Information.of(aligner.latent_covariance_, len(aligner.encoders_))
    return information.of_rows(rng.normal(size=(DRAWN, len(root))) @ root.T)


def _folds(pairs, n_folds, groups, rng):
    """Splits of the pairs, of whole groups where there are enough of them; none of too few."""
    if len(pairs) < 4 * n_folds:
        return []
    if groups is not None and len(np.unique(groups[pairs])) >= n_folds:
        return list(GroupKFold(n_folds).split(pairs, groups=groups[pairs]))
    return list(KFold(n_folds, shuffle=True, random_state=rng).split(pairs))


def about_components(aligner, feature_names, n: int, top: int) -> list[Bunch]:
    """Correlation and strongest features of the first components."""
    names, found = names_of(aligner, feature_names), []
    for j in range(min(n, aligner.n_components_)):
        strongest = []
        for m, own in enumerate(names):
            loads = aligner._blocks.take(aligner.loadings_.T, m)[j]
            order = np.argsort(-np.abs(loads), kind="stable")[:top]
            strongest.append([(str(own[i]), float(loads[i])) for i in order])
        found.append(Bunch(correlation=float(aligner.correlations_[j]), strongest=strongest))
    return found


def about_target(model, X: Any, y: Any, rows: PairedRows, groups, n_folds, rng) -> Bunch:
    """Agreement, bounds of the accuracy, and shares of classes."""
    deployed, classes = model.target_classifier_, model.classes_
    has = rows.present[:, model.target_]
    said = np.full(len(classes), np.nan)
    if has.any():
        block = rows.blocks.take(rows.X, model.target_)[has]
        decided = unnamed(deployed)(block).argmax(axis=1)
        said = np.bincount(decided, minlength=len(classes)) / has.sum()
    codes, _ = class_codes(y, len(rows.X), "report", classes)
    labels = np.full(len(classes), np.nan)
    if codes is not None and np.any(codes >= 0):
        counts = np.bincount(codes[codes >= 0], minlength=len(classes))[: len(classes)]
        labels = counts / max(counts.sum(), 1)
    names = model.aligner_.modality_names_
    return Bunch(
        source=names[model.source_],
        target=names[model.target_],
        classes=classes,
        refused=not any(hasattr(deployed, a) for a in ("coef_", "means_")),
        agreement=float(getattr(model, "agreement_", np.nan)),
        prior=model.class_prior_,
        predicted=said,
        labelled=labels,
        n_target=int(has.sum()),
        **_bounds(model, X, y, groups, n_folds, rng),
    )


def _bounds(model, X, y, groups, n_folds, rng) -> dict:
    """Bounds of the accuracy without labels of the target, or why there are none."""
    none = {"estimate": np.nan, "lower": np.nan, "upper": np.nan}
    if y is None:
        return {**none, "why_not": "report was given no labels y"}
    try:
        options = {"groups": groups, "cv": n_folds, "random_state": rng}
        found = estimate_accuracy(clone(model).set_params(verbose=False), X, y, **options)
    except ValueError as error:
        return {**none, "why_not": str(error).rstrip(".")}
    return {name: float(found[name]) for name in none} | {"why_not": ""}
