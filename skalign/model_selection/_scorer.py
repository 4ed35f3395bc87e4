"""A score of transfers that needs no label."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline

from .._utils._validation import check_weights
from ..metrics import agreement_score
from ..moments._dask import check_in_memory
from ..transfer import CrossModalTransferClassifier


def agreement_scorer(
    estimator: Any, X: Any, y: Any = None, *, sample_weight: ArrayLike | None = None
) -> float:
    """Score a transfer on held-out pairs without any label: ``scoring=agreement_scorer``.

    Compares what the source classifier says of the pairs in ``X`` with what the target alone says,
    whatever ``predict_from`` is, by :func:`~skalign.metrics.agreement_score`. Other rows do not
    count. It fits into :class:`~sklearn.model_selection.GridSearchCV`,
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
        0 is chance, and where the classifier predicts nothing but the prior; 1 is
        the most that the source's doubt allows.

    Raises
    ------
    TypeError
        If there is no CrossModalTransferClassifier in ``estimator`` to be found.
    ValueError
        If none of its {n} rows has both the source and the target, or if weights misfit.

    See Also
    --------
    skalign.metrics.agreement_score : The score itself, of two arrays.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skalign import CrossModalTransferClassifier, NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> from skalign.model_selection import agreement_scorer
    >>> data = make_paired_gaussians(
    ...     600, n_features=(5, 8), n_latent=4, n_classes=3, noise=0.5, random_state=0
    ... )
    >>> X, y = data.X.copy(), data.y.copy()
    >>> X[:300, 5:] = float("nan")  # labelled: first modality only
    >>> y[300:] = -1                # pairs: no label
    >>> search = GridSearchCV(
    ...     CrossModalTransferClassifier(
    ...         aligner=NullSpaceAligner(modalities=[5, 8]), target_space="aligned"
    ...     ),
    ...     {"aligner__n_components": [1, 4]},
    ...     scoring=agreement_scorer,
    ... ).fit(X, y)
    >>> search.best_params_
    {'aligner__n_components': 4}
    """
    model, X = _find_transfer(estimator, X)
    check_in_memory("agreement_scorer", X=X)
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    rows, source, target = model._both_probas(X)
    if not len(rows):
        names = model.aligner_.modality_names_
        raise ValueError(
            f"X has no pairs to compare: none of its {n} rows has both the source "
            f"{names[model.source_]!r} and the target {names[model.target_]!r}. Let every fold "
            "hold some pairs: shuffle the rows, or stratify by which rows are pairs."
        )
    weights = check_weights(sample_weight, n)
    return agreement_score(
        source, target, sample_weight=None if weights is None else weights[rows]
    )


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
