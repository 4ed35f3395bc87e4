"""Folds that test what a transfer can be tested on, and train on everything else.

A wrapped splitter divides the testable rows: those that have the target modality and a label.
Whatever it calls test is tested. What it calls train is trained on, together with all rows that
cannot be tested, less those that share a group with a test row of the fold.
"""

import inspect
import warnings
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator, StratifiedKFold
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

from .._blocks import resolve_table, select
from .._utils._array_api import not_finite, vector_as_numpy
from .._utils._labels import is_blank, known_labels
from .._utils._rows import numbered
from .._utils._validation import FLOATS, is_frame
from ..moments._dask import check_in_memory, template_of


class TransferSplit(BaseCrossValidator):
    """Cross-validation of partly labelled modalities: test what can be tested, train on the rest.

    An ordinary splitter tests every row once. With partly labelled modalities most rows cannot
    be tested: with ``scoring="accuracy"`` an unlabelled row is scored as if -1 were its class, so
    that any prediction is wrong, and a labelled row that lacks the target gets the class prior.
    The score that comes out is low, and is about the wrong rows; that of the classifier's own
    `score` is NaN.

    This splitter hands only the testable rows, which have the target modality and a label, to
    the splitter that it wraps. All other rows train in every fold: unlabelled pairs, rows with
    the source alone, and unlabelled rows with the target alone.

    If the wrapped splitter splits by groups, a group that is tested is left out of training
    entirely, its unlabelled rows and those without the target included. Otherwise a model that is
    tested on a subject would have learned from this subject's own pairs.

    Parameters
    ----------
    cv : int or splitter, default=None
        What splits the testable rows: an object with ``split`` and ``get_n_splits``, such as
        those of :mod:`sklearn.model_selection`. A number of folds is
        :class:`~sklearn.model_selection.StratifiedKFold`, and None is five. An iterable of
        splits is refused: its row numbers could mean all rows or the testable ones.
    modalities : None, sequence of int, or mapping of str to columns, default=None
        Which columns of `X` belong to which modality, as in
        :class:`~skalign.NullSpaceAligner`: two halves, widths, or names and columns. This is
        about `X` as it is passed to the cross-validation, before any step of a pipeline.
    target : int, str or sequence of these, default=1
        Modality to predict from, by position or name, or several, of which a row has one at
        least. It has one unless that block is all NaN.

    See Also
    --------
    skalign.CrossModalTransferClassifier : What is cross-validated.
    skalign.model_selection.agreement_scorer : For pairs of which none has a label.
    sklearn.model_selection.GroupKFold : Folds that keep groups together.

    Notes
    -----
    Rows are unlabelled as in :class:`~skalign.CrossModalTransferClassifier`: -1, or None and NaN;
    where `y` holds just -1 and 1, both are labels.

    With metadata routing it requests what the wrapped splitter requests. So
    ``TransferSplit(GroupKFold())`` is given ``groups``.

    :func:`~sklearn.model_selection.cross_val_predict` wants every row in one test fold, and
    refuses this splitter where some rows cannot be tested.

    Examples
    --------
    Labels of the first modality for 200 rows, 200 pairs without a label, and 100 labelled rows of
    the second modality to test on.

    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from skalign import CrossModalTransferClassifier, NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> from skalign.model_selection import TransferSplit
    >>> data = make_paired_gaussians(500, n_features=(5, 8), noise=0.5, random_state=0)
    >>> X, y = data.X.copy(), data.y.copy()
    >>> X[:200, 5:] = np.nan
    >>> y[200:400] = -1
    >>> X[400:, :5] = np.nan
    >>> model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[5, 8]))
    >>> cv = TransferSplit(modalities=[5, 8])
    >>> [(len(train), len(test)) for train, test in cv.split(X, y)]
    [(480, 20), (480, 20), (480, 20), (480, 20), (480, 20)]
    >>> bool(cross_val_score(model, X, y, cv=cv).mean() > 0.95)
    True
    """

    def __init__(self, cv: Any = None, *, modalities: Any = None, target: Any = 1) -> None:
        self.cv = cv
        self.modalities = modalities
        self.target = target

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Any]:
        """Split the rows into training and test sets.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.
        y : array-like of shape (n_samples,)
            Labels; -1, None or NaN where a row has none.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, for wrapped splitters that split by groups.

        Yields
        ------
        train : ndarray of int
            Rows to train on, ascending.
        test : ndarray of int
            Rows to test, all of which have the target and a label.

        Raises
        ------
        ValueError
            If no row can be tested, if the wrapped splitter cannot split those that can, or if
            it splits by groups and `groups` is None.
        """
        cv = self._splitter()
        if groups is not None and not _takes_groups(cv):
            warnings.warn(
                f"groups are ignored: {type(cv).__name__}, which TransferSplit wraps, does not "
                "ask for them. Wrap a splitter that does, such as GroupKFold(5).",
                UserWarning,
                stacklevel=2,
            )
        rows, given, groups, told = self._testable(cv, X, y, groups)
        return _folds(cv, rows, given, groups, len(y), told)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the folds.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features), default=None
            As in `split`. Needed where the number of folds depends on the rows.
        y : array-like of shape (n_samples,), default=None
            As in `split`.
        groups : array-like of shape (n_samples,), default=None
            As in `split`.

        Returns
        -------
        int
        """
        cv = self._splitter()
        if X is None and y is None and groups is None:
            return cv.get_n_splits()
        _, given, _, _ = self._testable(cv, X, y, groups)
        return cv.get_n_splits(**given)

    def get_metadata_routing(self) -> MetadataRequest:
        """Tell which metadata `split` takes: what the wrapped splitter requests.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRequest
        """
        routing, cv = MetadataRequest(owner=self), self._splitter()
        if _takes_groups(cv):
            requests = get_routing_for_object(cv).split.requests
            routing.split.add_request(param="groups", alias=requests.get("groups", True))
        return routing

    def _splitter(self):
        """Return what splits the testable rows."""
        cv = 5 if self.cv is None else self.cv
        if isinstance(cv, Integral) and not isinstance(cv, bool):
            return StratifiedKFold(int(cv))
        if isinstance(cv, type) or not (hasattr(cv, "split") and hasattr(cv, "get_n_splits")):
            got = f"the class {cv.__name__}" if isinstance(cv, type) else f"a {type(cv).__name__}"
            raise ValueError(
                f"TransferSplit: cv is {got}; it must be None, a number of folds, or a splitter "
                "such as GroupKFold(4). An iterable of splits cannot be wrapped: pass it to "
                "scikit-learn as it is, with test rows that have the target and a label."
            )
        return cv

    def _testable(self, cv, X, y, groups):
        """Tell the rows that have the target and a label.

        With them go X and y of these rows, and groups if there are any, for the wrapped splitter;
        groups of all rows, or None; and for messages how many rows there are of each kind.
        """
        if X is None:
            raise ValueError(
                "TransferSplit needs X, which is None: only X tells which rows have the target."
            )
        check_in_memory("TransferSplit", X=X, y=y, groups=groups)
        y, known = known_labels(y, "TransferSplit")
        X, present, target = self._has_target(X)
        groups = _check_groups(cv, groups)
        check_consistent_length(X, y, groups)
        rows = np.flatnonzero(present & known)
        told = (
            f"rows of X: {len(y)}, with the target {target}: {present.sum()}, with a label: "
            f"{known.sum()}, with both: {len(rows)}"
        )
        if not len(rows):
            raise ValueError(
                f"TransferSplit finds no row to test ({told}). Label some rows that have the "
                "target, or choose by agreement on pairs: model_selection.agreement_scorer."
            )
        given = {"X": select(X, slice(None), rows), "y": y[rows]}
        if groups is not None:
            given["groups"] = groups[rows]
        return rows, given, groups, told

    def _has_target(self, X):
        """Return X as a table, which rows have the target, and its name."""
        X = template_of(X)  # itself, or an error
        if not is_frame(X):
            X = check_array(X, dtype=None, ensure_all_finite=False, input_name="X")
        blocks = resolve_table(self.modalities, X)
        targets = blocks.positions(self.target, "target")
        present = np.zeros(len(X), dtype=bool)
        # Scattered NaN and words elsewhere are for the steps of a pipeline.
        for m in targets:
            try:
                block = check_array(
                    select(X, blocks.of_table(m)),
                    dtype=FLOATS,
                    ensure_all_finite=False,
                    input_name="X",
                )
            except (TypeError, ValueError) as error:
                if not is_frame(X):
                    raise
                raise ValueError(
                    f"the target, modality {blocks.names[m]!r}, has a column that is no number: "
                    f"{error}. Give TransferSplit the modalities and the target of the model."
                ) from error
            present |= ~not_finite(block)[2]
        return X, present, blocks.named(targets)


def _folds(cv, rows, given, groups, n_samples, told):
    """Yield the folds of all rows that a splitter of the testable ones makes, or say why not."""
    others = np.setdiff1d(np.arange(n_samples), rows)
    groups = None if groups is None else numbered(groups)  # they may be of any type
    try:
        for train, test in cv.split(**given):
            train, test = np.asarray(train), np.asarray(test)
            last = max(int(part.max(initial=-1)) for part in (train, test))
            if last >= len(rows):
                raise ValueError(
                    f"it names row {last}, but is given the {len(rows)} testable rows only. Where "
                    "it is made from a list of rows, list just these."
                )
            train, test = np.sort(np.concatenate([rows[train], others])), rows[test]
            if groups is not None:
                train = train[~np.isin(groups[train], groups[test])]
            yield train, test
    except ValueError as error:
        raise ValueError(
            f"{type(cv).__name__} cannot split the rows that TransferSplit may test ({told}): "
            f"{error}"
        ) from error


# -- groups ---------------------------------------------------------------------------------------


def _takes_groups(cv) -> bool:
    """Whether a splitter is given groups, so that what it tests leaves training by the group.

    One that knows nothing of metadata requests is given them wherever its `split` takes them.
    """
    if hasattr(cv, "get_metadata_routing"):
        return _requests_groups(cv)
    return "groups" in inspect.signature(cv.split).parameters


def _requests_groups(cv) -> bool:
    """Whether a splitter says of itself that it splits by groups."""
    return "groups" in get_routing_for_object(cv).split.requests


def _check_groups(cv, groups):
    """Groups as an array; None for a splitter that takes none, or can do without."""
    if groups is None and _requests_groups(cv):
        raise ValueError(
            f"TransferSplit wraps {type(cv).__name__}, which splits by groups, but groups is "
            "None: pass groups, one for each row of X."
        )
    if groups is None or not _takes_groups(cv):
        return None
    groups = vector_as_numpy(groups)
    if np.ndim(groups) != 1:
        raise ValueError(f"groups must be 1-D, one for each row; got shape {np.shape(groups)}.")
    blank = np.array([is_blank(group) for group in np.asarray(groups, dtype=object)], dtype=bool)
    if blank.any():
        raise ValueError(
            f"groups has none for row {np.flatnonzero(blank)[0]}: {blank.sum()} are None or NaN. "
            "Give a row of unknown origin a group of its own."
        )
    return np.asarray(groups)
