"""How far decisions of one modality agree with the posterior of another, beyond chance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline

from .._chance import beyond_chance
from .._transfer import CrossModalTransferClassifier
from .._validation import check_weights
from ._latents import Floats, _check_matrix

# Rounding of single precision, over many classes, is far below this.
_SUM_TOLERANCE = 1e-3


def agreement_score(
    source_proba: ArrayLike, target_proba: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    r"""Agreement of the target's decisions with the source's posterior, beyond chance.

    Pair :math:`i` is decided for the class :math:`\hat c_i` of highest probability in the target.
    With :math:`q_c` the share of decisions for class c, the score is

    .. math:: \frac{\frac{1}{n} \sum_i p(\hat c_i \mid x_{1i}) - \sum_c q_c\, \bar p_c}
                   {\frac{1}{n} \sum_i \max_c p(c \mid x_{1i}) - \sum_c q_c\, \bar p_c}, \qquad
              \bar p_c = \frac{1}{n} \sum_i p(c \mid x_{1i}) .

    What is subtracted is the mean over all ways to shuffle the pairs. No label is needed; of the
    target's probabilities only the decision counts.

    Parameters
    ----------
    source_proba : array-like of shape (n_pairs, n_classes)
        Class probabilities by the source modality.
    target_proba : array-like of shape (n_pairs, n_classes)
        Class probabilities of the same pairs by the target modality, classes in the same order.
        Where probabilities are tied, the first of the tied classes is the decision.
    sample_weight : array-like of shape (n_pairs,), default=None
        Non-negative weights; a weight of two counts a pair twice.

    Returns
    -------
    float
        0 is what shuffled pairs give, 1 the most that the source's doubt allows: reached where
        the target decides as the source would. Negative where shuffled pairs would agree better.
        Exactly 0 where shuffling changes nothing: a single pair, a source that says the same of
        every pair, or a target that decides always alike.

    Raises
    ------
    ValueError
        If an argument is not 2-D, is empty, is not finite or holds no class probabilities, if
        shapes differ, or if weights misfit, are negative or all zero.

    See Also
    --------
    agreement_scorer : The score of a fitted CrossModalTransferClassifier on held-out pairs.

    Examples
    --------
    >>> from skalign.metrics import agreement_score
    >>> source = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]]
    >>> round(agreement_score(source, [[0.6, 0.4], [1.0, 0.0], [0.0, 1.0], [0.2, 0.8]]), 12)
    1.0
    >>> round(agreement_score(source, [[0.6, 0.4], [1.0, 0.0], [0.0, 1.0], [0.7, 0.3]]), 12)
    0.75
    """
    source, target = _check_proba(source_proba, "source"), _check_proba(target_proba, "target")
    if source.shape != target.shape:
        raise ValueError(
            f"target_proba has shape {target.shape} but source_proba has {source.shape}: both "
            "hold the same pairs and classes."
        )
    weight = _check_weight(sample_weight, source)
    return beyond_chance(source, np.argmax(target, axis=1), weight)[0]


def agreement_scorer(
    estimator: Any, X: Any, y: Any = None, *, sample_weight: ArrayLike | None = None
) -> float:
    """Score a transfer on held-out pairs without any label: ``scoring=agreement_scorer``.

    Compares what the source classifier says of the pairs in ``X`` with what the target alone
    says, whatever ``predict_from`` is, by :func:`agreement_score`. Other rows do not count. It
    fits into :class:`~sklearn.model_selection.GridSearchCV`,
    :func:`~sklearn.model_selection.cross_validate` and their kin.

    .. warning::
        The source is taken at its word. Compare settings that share the source classifier; a
        poor source may be easier to agree with than a good one.

    Parameters
    ----------
    estimator : CrossModalTransferClassifier, Pipeline or search
        Fitted. A pipeline must end in one of the three, a search must hold a ``best_estimator_``.
    X : array-like of shape (n_samples, n_features)
        Blocks of all modalities side by side; a missing block is NaN.
    y : object, default=None
        Never looked at.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; a weight of two counts a row twice.

    Returns
    -------
    float
        0 is chance, and where the classifier has refused to predict more than the prior; 1 is
        the most that the source's doubt allows.

    Raises
    ------
    TypeError
        If there is no CrossModalTransferClassifier in ``estimator`` to be found.
    ValueError
        If no row has both the source and the target, or if weights misfit.

    See Also
    --------
    agreement_score : The score itself, of two arrays.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skalign import CrossModalTransferClassifier, NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> from skalign.metrics import agreement_scorer
    >>> data = make_paired_gaussians(
    ...     600, n_features=(5, 8), n_latent=4, n_classes=3, noise=0.5, random_state=0
    ... )
    >>> X, y = data.X.copy(), data.y.copy()
    >>> X[:300, 5:] = float("nan")  # labelled: first modality only
    >>> y[300:] = -1                # pairs: no label
    >>> search = GridSearchCV(
    ...     CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[5, 8])),
    ...     {"aligner__n_components": [1, 4]},
    ...     scoring=agreement_scorer,
    ... ).fit(X, y)
    >>> search.best_params_
    {'aligner__n_components': 4}
    """
    model, X = _find_transfer(estimator, X)
    rows, source, target = model._both_probas(X)
    if not len(rows):
        names = model.aligner_.modality_names_
        source_name, target_name = (names[m] for m in model._roles)
        raise ValueError(
            f"X has no pairs to compare: none of its {len(X)} rows has both the source "
            f"{source_name!r} and the target {target_name!r}. Let every fold hold some pairs: "
            "shuffle the rows, or stratify by which rows are pairs."
        )
    if sample_weight is not None:
        sample_weight = _check_weight(sample_weight, X)[rows]
    return agreement_score(source, target, sample_weight=sample_weight)


def _find_transfer(estimator: Any, X: Any) -> tuple[CrossModalTransferClassifier, Any]:
    """Unwrap pipelines and searches; ``X`` goes through the steps before."""
    found = estimator
    while not isinstance(found, CrossModalTransferClassifier):
        if isinstance(found, Pipeline):
            *before, (_, last) = found.steps
            for _, step in before:
                X = X if step in (None, "passthrough") else step.transform(X)
            found = last
        elif hasattr(found, "best_estimator_"):
            found = found.best_estimator_
        else:
            raise TypeError(
                f"agreement_scorer got {type(estimator).__name__}, in which there is no "
                f"CrossModalTransferClassifier but {found!r}: it scores such a classifier, a "
                "Pipeline that ends in one, or a fitted search over one."
            )
    return found, X


def _check_proba(values: ArrayLike, modality: str) -> Floats:
    """Return class probabilities as float64."""
    name = f"{modality}_proba"
    proba = _check_matrix(values, name).astype(np.float64)
    sums = proba.sum(axis=1)
    wrong = np.flatnonzero((proba < 0).any(axis=1) | (np.abs(sums - 1) > _SUM_TOLERANCE))
    if len(wrong):
        raise ValueError(
            f"{name} must hold class probabilities, non-negative and of sum 1: row {wrong[0]} has "
            f"minimum {proba[wrong[0]].min():.3g} and sum {sums[wrong[0]]:.3g}."
        )
    return proba


def _check_weight(sample_weight: ArrayLike | None, X: Any) -> Floats:
    """Return a weight for each row."""
    n = len(X)
    if sample_weight is None:
        return np.ones(n)
    if np.shape(sample_weight) != (n,):
        raise ValueError(f"sample_weight has shape {np.shape(sample_weight)}, not ({n},).")
    return check_weights(sample_weight, X)
