r"""Sets of classes that hold the true one, of a modality that nobody has labelled.

Let p be the class probabilities of the source, q those of the target, and
:math:`S(x_2) = \{c : q_c(x_2) \ge t\}`. No row shows whether :math:`y \in S`, so that t has to be
found by way of the source.

**Whatever the errors.** Labelled rows calibrate sets of the *source*,
:math:`A(x_1) = \{c : p_c(x_1) \ge u\}`, with :math:`P(y \notin A) \le \delta`: of n rows u is
that value of :math:`p_y` of which :math:`\lfloor \delta (n + 1) \rfloor - 1` are smaller (Vovk,
Gammerman & Shafer 2005). Pairs calibrate t in the same way, such that :math:`S \supseteq A` but
for a share of :math:`\alpha - \delta`: by :math:`\min_{c \in A(x_1)} q_c(x_2)`. As labelled rows
do not depend on the pairs,

.. math:: P(y \notin S) \le P(y \notin A) + P(A \not\subseteq S) \le \alpha ,

for any number of rows, any classifiers, and any dependence of their errors; :math:`\delta` is half
of :math:`\alpha`. Rows that come in groups have the weight :math:`1 / ((G + 1) n_g)` each, and
:math:`1 / (G + 1)` stands for the group to come, which may be anything (Lee, Barber & Willett
2023).

**Independent errors.** Were modalities independent given the class, as the transfer takes them,
the source's decision j is a noisy label whose noise is known: :math:`T_{yj} = p(j \mid y)`, of
the labelled rows. With :math:`W = T^{-1}`

.. math:: P(y \in S) = E \sum_c W_{jc} \, 1[c \in S(x_2)] ,

a mean over pairs, since :math:`\sum_j T_{yj} W_{jc} = 1[y = c]`; shares of classes may differ. Its
variance is that of the mean, and that of T: with :math:`H_{jc} = P(j, c \in S)` a labelled row of
the class y and the decision j adds :math:`-(M_{yj} - \sum_k T_{yk} M_{yk}) / n_y`,
:math:`M = W^\top H W^\top`. Rows of a group are summed up before they are squared. From the lowest
t upwards, t rises as long as the coverage less 1.645 standard errors is large enough.
"""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from scipy.stats import norm
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from .._blocks import select
from .._utils._array_api import not_finite, vector_as_numpy
from .._utils._rows import numbered
from .._utils._validation import check_number, check_option, restored_on_error
from ..moments._dask import check_in_memory
from . import _certificate as certificate
from ._scorer import _find_transfer

_OWNER = "ConformalTransfer"
# One-sided 95 % of a normal law; thresholds that are tried; a confusion that can be inverted.
_MARGIN, _TRIED, _INVERTIBLE = float(norm.ppf(0.95)), 200, 1e3


class ConformalTransfer(MetaEstimatorMixin, BaseEstimator):
    """Sets of classes that hold the true one as often as asked, without a label of the target.

    The transfer is fitted to all rows, and once without each fold: there the source's classifier
    is compared with labels, and the target's with the source on pairs.

    Parameters
    ----------
    estimator : CrossModalTransferClassifier, Pipeline or search
        As of :func:`~skalign.model_selection.estimate_accuracy`.
    errors : {"any", "independent"}, default="any"
        What is known of the errors of the two modalities. With ``"any"`` sets hold the class
        however these depend on each other, and are large unless the source is nearly always
        right. With ``"independent"`` they are taken as independent given the class; sets are
        small, and hold the class too rarely where modalities err together.
    cv : int or "prefit", default=None
        Number of folds; None is five. With ``"prefit"`` the estimator is fitted already, from
        other rows than those that `fit` is given, which only calibrate.
    random_state : int, RandomState instance or None, default=None
        Shuffles rows into folds.
    n_jobs : int, default=None
        Folds to fit at the same time.

    Attributes
    ----------
    estimator_ : estimator
        Fitted to all rows.
    classes_ : ndarray of shape (n_classes,)
        Of the columns of `predict_set`.
    labelled_proba_ : ndarray of shape (n_labelled, n_classes)
        What the source says of labelled rows that it has not seen.
    labelled_codes_ : ndarray of shape (n_labelled,)
        Their classes, as positions in ``classes_``.
    source_proba_, target_proba_ : ndarray of shape (n_pairs, n_classes)
        What source and target say of pairs that they have not seen.
    labelled_groups_, pair_groups_ : ndarray of int
        Number of the group of each of these rows; without groups each is one.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only for dataframes whose column names are strings.

    See Also
    --------
    estimate_accuracy : How accurate the transfer is.

    Notes
    -----
    Labelled rows, pairs and the rows to come are taken as samples of one population; with groups
    each is a sample of groups. With ``cv="prefit"`` and ``errors="any"`` the coverage holds on
    average over calibration rows, exactly, whatever their number. With folds the rows that
    calibrate have met models of fewer rows than the one that predicts, which as a rule makes sets
    a little too large. With ``errors="independent"`` the coverage holds, under that condition, for
    19 of 20 sets of calibration rows if there are many.

    Where nothing honest can be said, sets hold all classes: too few rows or groups, and, with
    ``errors="independent"``, a class without labelled rows, or a source whose confusion cannot be
    inverted.

    Examples
    --------
    >>> from skalign import CrossModalTransferClassifier, NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> from skalign.model_selection import ConformalTransfer
    >>> data = make_paired_gaussians(
    ...     1200, n_features=(6, 9), n_latent=4, n_classes=3, noise=0.5, random_state=0
    ... )
    >>> X, y = data.X.copy(), data.y.copy()
    >>> X[:400, 6:] = float("nan")  # labelled: first modality only
    >>> y[400:] = -1                # pairs: no label
    >>> X[800:, :6] = float("nan")  # to predict: second modality only
    >>> model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[6, 9]))
    >>> sets = ConformalTransfer(model, cv=3, random_state=0).fit(X[:800], y[:800])
    >>> held = sets.predict_set(X[800:], coverage=0.9)
    >>> held.shape
    (400, 3)
    >>> bool(held[range(400), data.y[800:]].mean() >= 0.9)
    True
    """

    def __init__(
        self,
        estimator: Any,
        *,
        errors: Literal["any", "independent"] = "any",
        cv: Any = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.errors = errors
        self.cv = cv
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Fit the transfer, and calibrate sets on rows held out.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN. Rows with the source and
            a label, and pairs without one, calibrate; if all pairs have labels, half of them stand
            for pairs without.
        y : array-like of shape (n_samples,)
            Labels; -1, None or NaN where a row has none.
        groups : array-like of shape (n_samples,), default=None
            Groups of rows that depend on each other, such as subjects. A group is held out as a
            whole, and the row to come is of another one.

        Returns
        -------
        self : ConformalTransfer

        Raises
        ------
        TypeError
            If there is no CrossModalTransferClassifier in ``estimator`` to be found.
        ValueError
            If there are fewer labelled rows of the source, or pairs without a label, or groups
            with either, than folds.
        """
        check_option("errors", self.errors, ("any", "independent"))
        transfer = certificate._transfer_in(self.estimator, _OWNER)
        with restored_on_error(self.__dict__):
            self._calibrate(transfer, X, y, groups)
        return self

    def predict_set(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Sets of classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side. The target alone is looked at.
        coverage : float, default=0.9
            Share of rows whose set shall hold the true class.

        Returns
        -------
        ndarray of bool, shape (n_samples, n_classes)
            Which classes are in the set of each row, in the order of ``classes_``. Of a row that
            lacks the target all are.
        """
        check_is_fitted(self)
        check_option("errors", self.errors, ("any", "independent"))
        check_number("coverage", coverage, low=0, high=1)
        labelled = self.labelled_proba_, self.labelled_codes_, self.labelled_groups_
        pairs = self.source_proba_, self.target_proba_, self.pair_groups_
        find = threshold_of_any if self.errors == "any" else threshold_of_independent
        least = find(labelled, pairs, coverage)
        proba = _probas(self.estimator_, X, None, "target", self.classes_)
        return ~(proba < least)  # a row without the target has NaN

    def _calibrate(self, transfer, X, y, groups):
        """Fit the transfer, and ask it about rows held out."""
        prefit = isinstance(self.cv, str) and self.cv == "prefit"
        n_folds = 1 if prefit else certificate._number_of_folds(self.cv)
        check_in_memory(_OWNER, X=X, y=y, groups=groups)
        X, y, known, groups = certificate._checked(X, y, groups, _OWNER)
        if not prefit:
            self.estimator_ = clone(self.estimator).fit(X, y)
        rng = check_random_state(self.random_state)
        kinds = _held_out_kinds(transfer, X, known, rng)
        certificate._check_enough(kinds, groups, max(n_folds, 2), _OWNER)
        folds = certificate._folds(kinds, y, groups, n_folds, rng)
        if prefit:
            check_is_fitted(self.estimator)
            self.estimator_, models = self.estimator, [self.estimator]
        else:
            models = Parallel(n_jobs=self.n_jobs)(
                delayed(_fitted)(clone(self.estimator), X, y, train) for train, _ in folds
            )
        self.classes_ = _find_transfer(self.estimator_, X)[0].classes_
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)  # of an earlier fit
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        parts = [
            (
                _probas(model, X, held.labelled, "source", self.classes_),
                _probas(model, X, held.pairs, "source", self.classes_),
                _probas(model, X, held.pairs, "target", self.classes_),
            )
            for model, (_, held) in zip(models, folds, strict=True)
        ]
        self.labelled_proba_, self.source_proba_, self.target_proba_ = map(
            np.concatenate, zip(*parts, strict=True)
        )
        labelled, pairs = (np.concatenate([held[k] for _, held in folds]) for k in (0, 1))
        self.labelled_codes_ = _codes(y[labelled], self.classes_)
        self.labelled_groups_, self.pair_groups_ = (
            np.arange(len(rows)) if groups is None else numbered(groups[rows])
            for rows in (labelled, pairs)
        )


# -- thresholds: arrays only ----------------------------------------------------------------------


def threshold_of_any(labelled, pairs, coverage: float) -> float:
    """Probability from which on the target's classes are in a set, whatever the errors.

    Parameters
    ----------
    labelled : tuple of ndarray
        What the source says of labelled rows (n, C), their classes (n,) and groups (n,).
    pairs : tuple of ndarray
        What source and target say of pairs (n, C), and groups of these (n,).
    coverage : float
    """
    (said, codes, groups), (source, target, of_pairs) = labelled, pairs
    missed = (1 - coverage) / 2
    least = lowest(said[np.arange(len(said)), codes], _weights(groups), missed)
    needed = np.where(source >= least, target, np.inf).min(axis=1)
    return lowest(needed, _weights(of_pairs), missed)


def lowest(values, weights, missed: float) -> float:
    """The value below which, with the weight of rows that are not here, is a share at most."""
    order = np.argsort(values)
    below = 1 - weights.sum() + np.cumsum(weights[order]) - weights[order]
    fine = below <= missed + 1e-12
    return float(values[order][fine].max()) if fine.any() else -np.inf


def threshold_of_independent(labelled, pairs, coverage: float) -> float:
    """The same where errors are independent given the class, with a margin for sampling."""
    (said, codes, groups), (source, target, of_pairs) = labelled, pairs
    n_classes, weights = source.shape[1], _weights(groups)
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, (codes, said.argmax(axis=1)), weights)
    total = confusion.sum(axis=1, keepdims=True)
    if coverage == 1:  # which no sample shows
        return -np.inf
    if not total.all() or np.linalg.cond(confusion / total) > _INVERTIBLE:
        return -np.inf
    confusion, decided = confusion / total, source.argmax(axis=1)
    inverse, share = np.linalg.inv(confusion), _weights(of_pairs)
    share = share / share.sum()
    rows = weights / total[codes, 0], (codes, said.argmax(axis=1))
    tried, best = np.quantile(target, np.linspace(0, 1, _TRIED)), -np.inf
    for least in np.unique(tried):
        inside = target >= least
        held = np.sum(inverse[decided] * inside, axis=1)
        joint = np.zeros_like(confusion)
        np.add.at(joint, decided, share[:, None] * inside)
        slope = inverse.T @ joint @ inverse.T
        slope = slope - np.sum(confusion * slope, axis=1, keepdims=True)
        mean = share @ held
        variance = _variance(share * (held - mean), of_pairs)
        variance += _variance(rows[0] * slope[rows[1]], groups)
        if mean - _MARGIN * np.sqrt(variance) < coverage:
            break
        best = float(least)
    return best


# -- rows held out --------------------------------------------------------------------------------


def _held_out_kinds(transfer, X, known, rng):
    """Labelled rows and pairs to hold out; no row is both: thresholds would depend."""
    kinds = certificate._kinds(transfer, X, known)
    if len(kinds.pairs) == 0:
        every = certificate._kinds(transfer, X, known, any_pairs=True).pairs
        pairs = np.sort(rng.permutation(every)[: len(every) // 2])
        kinds = kinds._replace(labelled=np.setdiff1d(kinds.labelled, pairs), pairs=pairs)
    return kinds


def _fitted(estimator, X, y, train):
    return estimator.fit(select(X, slice(None), train), y[train])


def _probas(estimator, X, rows, role, classes):
    """Class probabilities of some rows by the source or the target; NaN where it is missing."""
    model, Z = _find_transfer(estimator, X if rows is None else select(X, slice(None), rows))
    part = model.estimator_ if role == "source" else model.target_classifier_
    columns = model.aligner_.modality_columns_[getattr(model, f"{role}_")]
    block = select(Z, columns)
    has = ~not_finite(np.asarray(block, dtype=np.float64))[2]
    proba = np.full((len(has), len(classes)), np.nan)
    if has.any():
        block = select(block, slice(None), np.flatnonzero(has))
        proba[has] = 0.0
        places = _codes(part.classes_, classes)
        if hasattr(part, "predict_proba"):
            said = part.predict_proba(block)
        else:
            said = np.asarray(part.predict(block))[:, None] == np.asarray(part.classes_)
        proba[np.ix_(has, places)] = said
    return proba


def _codes(labels, classes):
    """Positions of labels among the classes."""
    places = {label: c for c, label in enumerate(classes.tolist())}
    return np.array([places[label] for label in vector_as_numpy(labels).tolist()])


def _weights(groups):
    """Weights of rows: each group has as much as any other, and as that to come."""
    sizes = np.bincount(groups)
    return 1 / ((len(sizes) + 1) * sizes[groups])


def _variance(terms, groups):
    """Variance of a sum of terms, of which those of a group go together."""
    sums = np.bincount(groups, terms)
    return len(sums) / max(len(sums) - 1, 1) * np.sum(sums**2)
