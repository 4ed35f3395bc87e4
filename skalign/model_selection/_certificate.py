"""How accurate a transfer is, by rows that it has not seen, of which none needs a label."""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, check_array, check_consistent_length, check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from .._blocks import resolve_table, select
from .._utils._array_api import not_finite, vector_as_numpy
from .._utils._labels import is_blank, known_labels
from .._utils._rows import numbered
from .._utils._validation import FLOATS, check_number, is_frame
from ..metrics import accuracy_bounds
from ..metrics._certificate import deal
from ..moments._dask import check_in_memory, template_of
from ..transfer import CrossModalTransferClassifier
from ._scorer import _find_transfer

_OWNER = "estimate_accuracy"


class _Kinds(NamedTuple):
    """Numbers of the rows that count."""

    labelled: np.ndarray  # with the source and a label
    pairs: np.ndarray  # with source and target, without a label


def estimate_accuracy(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    cv: Any = None,
    confidence: float = 0.95,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
) -> Bunch:
    """Bounds of a transfer's accuracy on the target, of which no label is needed.

    Held-out labelled rows tell how often the source is right, held-out pairs how often the target
    decides as the source does. The accuracy of the target alone then lies between ``lower`` and
    ``upper``, however the errors of the two depend on each other;
    :func:`~skalign.metrics.accuracy_bounds` says why.

    Parameters
    ----------
    estimator : CrossModalTransferClassifier, Pipeline or search
        A pipeline must end in one of the three, a search must be over one. It is cloned, and
        fitted to the other rows for every fold. Steps in front must keep the columns.
    X : array-like of shape (n_samples, n_features)
        Blocks of all modalities side by side; a missing block is NaN. Rows with the source and a
        label, and pairs without one, are held out in turn. All others train in every fold.
    y : array-like of shape (n_samples,)
        Labels; -1, None or NaN where a row has none.
    groups : array-like of shape (n_samples,), default=None
        Groups of rows that depend on each other, such as subjects. A group is held out as a whole,
        and sampling is that of groups.
    cv : int or "prefit", default=None
        Number of folds; None is five. With ``"prefit"`` the estimator is fitted already, from
        other rows than those of `X`.
    confidence : float, default=0.95
        Probability with which ``lower`` and ``upper`` both hold.
    random_state : int, RandomState instance or None, default=None
        Shuffles rows into folds, and halves what is held out.
    n_jobs : int, default=None
        Folds to fit at the same time.

    Returns
    -------
    Bunch
        As of :func:`~skalign.metrics.accuracy_bounds`: ``estimate``, ``lower``, ``upper``,
        ``lower_point``, ``upper_point``.

    Raises
    ------
    TypeError
        If there is no CrossModalTransferClassifier in ``estimator`` to be found.
    ValueError
        If there are fewer labelled rows of the source, or pairs without a label, or groups with
        either, than folds, or if `groups`, `cv` or `confidence` misfit.

    See Also
    --------
    skalign.metrics.accuracy_bounds : The bounds themselves, of decisions.
    agreement_scorer : For choosing among settings.
    TransferSplit : Where some rows of the target have labels.

    Notes
    -----
    Labelled rows, pairs and the rows to be classified are taken as samples of one population.
    What is bounded is the accuracy of ``target_classifier_`` whatever ``predict_from`` is, and
    of models that have learned from the other folds; one that learns from all rows is a little
    better as a rule. A model that predicts the class prior, because pairs share nothing, is
    bounded like any other.

    Examples
    --------
    >>> from skalign import CrossModalTransferClassifier, NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> from skalign.model_selection import estimate_accuracy
    >>> data = make_paired_gaussians(1500, n_features=(5, 8), noise=0.5, random_state=0)
    >>> X, y = data.X.copy(), data.y.copy()
    >>> X[:500, 5:] = float("nan")  # labelled: first modality only
    >>> y[500:] = -1                # pairs: no label
    >>> model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[5, 8]))
    >>> found = estimate_accuracy(model, X[:1000], y[:1000], random_state=0)
    >>> X[:, :5] = float("nan")     # to predict: second modality only
    >>> fitted = model.fit(data.X[:1000], y[:1000])
    >>> bool(found.lower <= fitted.score(X[1000:], data.y[1000:]) <= found.upper)
    True
    """
    transfer = _transfer_in(estimator)
    prefit = isinstance(cv, str) and cv == "prefit"
    n_folds = 1 if prefit else _number_of_folds(cv)
    rng = check_random_state(random_state)
    check_in_memory(_OWNER, X=X, y=y, groups=groups)
    if prefit:
        check_is_fitted(estimator)
    X, y, known, groups = _checked(X, y, groups)
    kinds = _kinds(transfer, X, known)
    _check_enough(kinds, groups, max(n_folds, 2))
    folds = _folds(kinds, y, groups, n_folds, rng)
    if prefit:
        parts = [_decisions(estimator, X, folds[0][1])]
    else:
        parts = Parallel(n_jobs=n_jobs)(
            delayed(_held_out)(clone(estimator), X, y, train, held) for train, held in folds
        )
    labelled, pairs = (np.concatenate([held[k] for _, held in folds]) for k in (0, 1))
    said, source, target = (
        np.concatenate([np.asarray(part[k]) for part in parts]) for k in range(3)
    )
    return accuracy_bounds(
        y[labelled],
        said,
        source,
        target,
        groups_labelled=None if groups is None else groups[labelled],
        groups_pairs=None if groups is None else groups[pairs],
        confidence=confidence,
        random_state=rng,
    )


# -- folds ----------------------------------------------------------------------------------------


def _folds(kinds, y, groups, n_folds, rng):
    """List the rows to train on and those to hold out, (labelled, pairs), of every fold.

    Each fold gets as many rows of each class and as many pairs as can be; of groups, as many that
    have labelled rows, pairs or both.
    """
    if n_folds == 1:
        return [(None, kinds)]
    if groups is None:
        unit, kind = np.arange(len(y)), np.full(len(y), -1)
        kind[kinds.labelled] = np.unique(y[kinds.labelled], return_inverse=True)[1]
    else:
        unit = numbered(groups)
        has = [np.bincount(unit[rows], minlength=unit.max() + 1) > 0 for rows in kinds]
        kind = has[1].astype(int) - has[0]
    held = np.unique(unit[np.concatenate(kinds)])
    hand = np.full(unit.max() + 1, -1)  # of what is never held out
    hand[held] = deal(kind[held], n_folds, rng)
    fold = hand[unit]
    return [
        (np.flatnonzero(fold != k), _Kinds(*(rows[fold[rows] == k] for rows in kinds)))
        for k in range(n_folds)
    ]


def _held_out(estimator, X, y, train, held):
    """Fit to some rows; decisions about others."""
    estimator.fit(select(X, slice(None), train), y[train])
    return _decisions(estimator, X, held)


def _decisions(estimator, X, kinds):
    """What the source says of labelled rows and of pairs, and what the target says of pairs."""
    return (
        _said(estimator, X, kinds.labelled, "source"),
        _said(estimator, X, kinds.pairs, "source"),
        _said(estimator, X, kinds.pairs, "target"),
    )


def _said(estimator, X, rows, role):
    """Decisions about some rows by the source's classifier or the target's."""
    model, Z = _find_transfer(estimator, select(X, slice(None), rows))
    is_source = role == "source"
    part = model.estimator_ if is_source else model.target_classifier_
    columns = model.aligner_.modality_columns_[model.source_ if is_source else model.target_]
    return np.asarray(vector_as_numpy(part.predict(select(Z, columns))))


# -- input ----------------------------------------------------------------------------------------


def _transfer_in(estimator, owner=_OWNER):
    """Unwrap pipelines and searches, which need not be fitted."""
    found = estimator
    while not isinstance(found, CrossModalTransferClassifier):
        if isinstance(found, Pipeline):
            found = found.steps[-1][1]
        elif hasattr(found, "refit"):
            found = found.estimator
        else:
            raise TypeError(
                f"{owner} got {type(estimator).__name__}, in which there is no "
                f"CrossModalTransferClassifier but {found!r}: pass such a classifier, a Pipeline "
                "that ends in one, or a search over one."
            )
    return found


def _number_of_folds(cv):
    if cv is None:
        return 5
    if not isinstance(cv, Integral):
        raise ValueError(f'cv={cv!r} must be None, a number of folds, or "prefit".')
    check_number("cv", cv, low=2, integer=True)
    return int(cv)


def _checked(X, y, groups, owner=_OWNER):
    """Return the rows as a table, labels, which of these are known, and groups as an array."""
    X = template_of(X)  # itself, or an error
    if not is_frame(X):
        X = check_array(X, dtype=None, ensure_all_finite=False, input_name="X")
    y, known = known_labels(y, owner)
    groups = None if groups is None else np.asarray(vector_as_numpy(groups))
    check_consistent_length(X, y, groups)
    if groups is not None:
        blank = np.flatnonzero([is_blank(group) for group in groups.tolist()])
        if groups.ndim != 1 or len(blank):
            what = f"shape {groups.shape}" if groups.ndim != 1 else f"none for row {blank[0]}"
            raise ValueError(f"groups must be 1-D, one for each row of X; got {what}.")
    return X, y, known, groups


def _kinds(transfer, X, known, any_pairs=False):
    """Tell labelled rows of the source, and pairs that have no label, or any pairs."""
    aligner = transfer.aligner
    aligner = aligner.estimator if isinstance(aligner, FrozenEstimator) else aligner
    blocks = resolve_table(None if aligner is None else aligner.modalities, X)
    has, roles = [], blocks.roles(transfer.source, transfer.target)
    for role, positions in zip(("source", "target"), roles, strict=True):
        if len(positions) > 1:
            raise ValueError(
                f"{role}={getattr(transfer, role)!r} names {len(positions)} modalities: what is "
                "bounded is one target by one source. Name one of them."
            )
    for (m,) in roles:
        # scattered NaN and words elsewhere are for the steps of a pipeline
        block = check_array(
            select(X, blocks.of_table(m)), dtype=FLOATS, ensure_all_finite=False, input_name="X"
        )
        has.append(~not_finite(block)[2])
    pairs = has[0] & has[1] & (any_pairs | ~known)
    return _Kinds(np.flatnonzero(has[0] & known), np.flatnonzero(pairs))


def _check_enough(kinds, groups, least, owner=_OWNER):
    """Raise where there is too little to hold out."""
    names = ("labelled rows of the source", "pairs without a label")
    for rows, name in zip(kinds, names, strict=True):
        n = len(rows) if groups is None else len(set(groups[rows].tolist()))
        if n < least:
            what = name if groups is None else f"groups with {name}"
            raise ValueError(
                f"{owner} has {n} {what}, and needs {least} at least: give more, or take fewer "
                "folds by cv. Where pairs have labels, score the transfer on them."
            )
