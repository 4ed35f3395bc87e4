"""The estimator that moves a regressor from one modality to another."""

import warnings
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, validate_data

from .._blocks import select
from .._utils._array_api import as_numpy, vector_as_numpy
from .._utils._labels import check_groups
from .._utils._validation import (
    check_switch,
    column_names,
    held_by,
    is_frame,
    noting_width,
    requesting,
    restored_on_error,
    routing,
)
from ..alignment import NullSpaceAligner
from ..alignment._given import blocks_of, given_aligner
from ..moments import _dask as collections
from ..transfer._source import frozen, groups_parameter, weight_parameter, with_seed
from ._modality_regressor import ModalityRegressor, Predictor, predicted
from ._source import (
    HeldOut,
    Labelled,
    check_all_known,
    default_regressor,
    fit_source,
    held_out,
    known_responses,
    source_said,
)
from ._target import learn_target, without_target
from ._task import (
    Known,
    TwoModalities,
    agreement_of,
    errors_of_truth,
    limits_of,
    noise_of,
    nothing_shared,
    path_between,
    prior_of,
    relayed,
    transfer_task,
    variances,
    worth_of_labels,
)


class CrossModalTransferRegressor(RegressorMixin, MetaEstimatorMixin, BaseEstimator):
    r"""A quantity known in one modality, predicted from another, with its uncertainty.

    1. ``estimator`` is fitted on the source block of the labelled rows, :math:`s(x_1)`;
    2. what it says of the pairs is regressed on their target block, by a mean of ridge regressions
       and partial least squares with weights by their leave-one-out errors. No label is needed
       there: :math:`E[y \mid x_2] = E[s(x_1) \mid x_2]` where the target says of ``y`` nothing
       that the source does not;
    3. the standard deviation joins what both steps err on rows that they have not seen:

    .. math:: y - f(x_2) = \bigl(y - s(x_1)\bigr) + \bigl(s(x_1) - f(x_2)\bigr).

    Both errors count as independent, unless labelled rows that have the target tell otherwise:
    deviations are too wide where the source is noisy and the target sees past its noise.

    It is made for the replacement of an instrument: many calibrated rows of the old one, none of
    the new one, and some ten to sixty samples measured by both, with hundreds of columns.

    Parameters
    ----------
    estimator : regressor, default=None
        Regressor of the source modality. ``None`` is :class:`~sklearn.linear_model.RidgeCV` on
        standardized columns. Wrap a fitted one in :class:`~sklearn.frozen.FrozenEstimator` to use
        it as it is; then no label is needed.
    aligner : NullSpaceAligner, default=None
        Names the modalities, and learns the space in which they agree. ``None`` is
        ``NullSpaceAligner()``. May be frozen. Predictions look at the whole of the target and not
        at this space: to impute the source by it first was no better on data that choices were
        made on.
    source : int or str, default=0
        Modality that ``estimator`` reads, by position or name.
    target : int or str, default=1
        Modality to predict from, by position or name.
    random_state : int, RandomState instance or None, default=None
        Passed to ``estimator`` and ``aligner`` where they have none of their own.
    verbose : bool, default=False
        Whether to print each step of `fit`.

    Attributes
    ----------
    estimator_ : regressor
        The fitted source regressor.
    aligner_ : NullSpaceAligner
        The fitted aligner.
    target_regressor_ : ModalityRegressor
        A regressor over the target's columns alone, as `fit` was given them: the thing to deploy.
        What stands before the transfer in a pipeline stands before this one, too.
    agreement_ : float or ndarray of shape (n_outputs,)
        R² between what the source says of the pairs and what the target says of them, each pair
        left out in turn; along a chain, between the modality before the target and the target.
        Where it is zero or less, and no label of the target tells otherwise, the mean is
        predicted, and `fit` warns. That is a rule and no test: one in six of unrelated pairs pass
        it, more where these are few or follow each other; `fit` with ``groups`` tests.
    source_mse_ : float or ndarray of shape (n_outputs,)
        Mean squared error of the source regressor on labelled rows held out; of one that is
        frozen on labelled rows. Only where there are any.
    prior_mean_, prior_std_ : float or ndarray of shape (n_outputs,)
        The answer for rows without their target: mean and deviation over the pairs.
    source_, target_ : int
        Positions of the source and the target.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only for dataframes whose column names are strings.

    See Also
    --------
    CrossModalTransferClassifier : The same for classes.
    ModalityRegressor : What ``target_regressor_`` is.
    sklearn.cross_decomposition.PLSRegression : One modality, with labels of its own.

    Notes
    -----
    NaN in ``y`` marks an unlabelled row; of several outputs all must be known, or none. A labelled
    row that has the target and lacks the source teaches the target directly, beside pairs, the
    more, the farther the source errs on its own labels. Labels of pairs reach the coefficients of
    the target through the source alone; they also tell how wide deviations are and, by their
    range, how far predictions may go. Where no row has both source and target, a chain of other
    modalities joins them: each is a target of the one before, and what both err adds up.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import CrossModalTransferRegressor, NullSpaceAligner
    >>> rng = np.random.default_rng(0)
    >>> latent = rng.normal(size=(400, 3))
    >>> X = latent @ rng.normal(size=(3, 60)) + 0.1 * rng.normal(size=(400, 60))
    >>> y = latent[:, 0] + 0.1 * rng.normal(size=400)
    >>> truth = y[300:].copy()
    >>> X[:260, 20:] = np.nan  # the old instrument, calibrated
    >>> y[260:] = np.nan       # 40 samples measured by both
    >>> X[300:, :20] = np.nan  # the new instrument
    >>> model = CrossModalTransferRegressor(aligner=NullSpaceAligner(modalities=[20, 40]))
    >>> mean, std = model.fit(X[:300], y[:300]).predict(X[300:], return_std=True)
    >>> model.score(X[300:], truth) > 0.95
    True
    >>> bool(np.mean(np.abs(truth - mean) < 1.645 * std) > 0.8)
    True
    """

    __metadata_request__fit = {"groups": True}

    def __init__(
        self,
        estimator: Any = None,
        *,
        aligner: Any = None,
        source: int | str = 0,
        target: int | str = 1,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.estimator = estimator
        self.aligner = aligner
        self.source = source
        self.target = target
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None, **params: Any
    ) -> Self:
        """Learn to predict from the target modality.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers; NaN where a row has none. May be None if ``estimator`` is frozen.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; a weight of two counts a row twice. The last step of an ``estimator``
            that is a pipeline gets them.
        groups : array-like of shape (n_samples,), default=None
            Of rows that depend on each other, such as subjects, each in the order of time. Whether
            the target says anything is then tested by permutations of whole groups, at 1 %, and
            the source is held out by groups; ``estimator`` may get them. For the test of rows that
            are drawn apart, each is a group: ``np.arange(n_samples)``.
        **params : dict
            Other metadata for the fit of ``estimator``, one value a row.

        Returns
        -------
        self : CrossModalTransferRegressor

        Raises
        ------
        ValueError
            If fewer than two labelled rows have the source modality, if ``y`` is NaN in some
            outputs of a row alone, or if fewer than two different rows are pairs.
        """
        check_switch("verbose", self.verbose)
        with restored_on_error(self.__dict__):
            seen = self._fit_source_and_aligner(X, y, sample_weight, groups, params)
            self._learn_chain(*seen)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict from the target block, whatever else a row has.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.
        return_std : bool, default=False
            Whether to return standard deviations, too.

        Returns
        -------
        y_mean : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions. Rows that lack the target get the mean of the pairs, and a warning counts
            them.
        y_std : ndarray of the same shape
            Standard deviations of the errors of new samples. Only if ``return_std``. Where the
            source is frozen and no label was given, its own errors are not among them, and a
            warning says so.
        """
        check_is_fitted(self)
        check_switch("return_std", return_std)
        if return_std and not hasattr(self, "source_mse_"):
            warnings.warn(
                "The source regressor is frozen, and no label tells how far it errs: deviations "
                "are those of the target from what the source would say. Give fit some labels.",
                UserWarning,
                stacklevel=2,
            )
        flat, q = np.ndim(self.prior_mean_) == 0, np.size(self.prior_mean_)
        blocks, regressor = self.aligner_._blocks, self.target_regressor_
        mean, std = np.atleast_1d(self.prior_mean_), np.atleast_1d(self.prior_std_)
        model = Predictor(blocks, self.target_, regressor, mean, std, flat, return_std)
        apply, table = partial(predicted, predictor=model), self._validated(X)
        if not return_std:
            return collections.map_rows(apply, X, table, None if flat else q)
        both = collections.map_rows(apply, X, table, 2 * q)
        return (both[:, 0], both[:, 1]) if flat else (both[:, :q], both[:, q:])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of `predict`; of several outputs their mean.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers, for every row.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If a row has no number.
        """
        check_all_known(y)
        return super().score(X, y, sample_weight)

    def get_metadata_routing(self) -> MetadataRouter:
        """Tell which metadata goes where; see scikit-learn's user guide on metadata routing.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        router, mapping = MetadataRouter(owner=self).add_self_request(self), MethodMapping()
        parts = {"estimator": self._estimator(), "aligner": self._aligner()}
        return router.add(method_mapping=mapping.add(caller="fit", callee="fit"), **parts)

    def _estimator(self):
        return default_regressor() if self.estimator is None else self.estimator

    def _aligner(self):
        if self.aligner is not None:
            return self.aligner
        return requesting(NullSpaceAligner())

    def _route(self, weights, groups, params):
        """Metadata of the fit of the estimator, and whether the aligner gets the weights."""
        if routing():
            params = params if groups is None else {"groups": groups, **params}
            given = {**params} if weights is None else {"sample_weight": weights, **params}
            routed = process_routing(self, "fit", **given)
            return routed.estimator.fit, "sample_weight" in routed.aligner.fit
        name = None if groups is None else groups_parameter(self._estimator())
        params = params if name is None else {name: groups, **params}
        if weights is None or self.estimator is None:
            return params, weights is not None
        return {weight_parameter(self._estimator()): weights, **params}, True

    def _fit_source_and_aligner(self, X, y, sample_weight, groups, params):
        """What the source says of the pairs, and how far it errs."""
        aligner, is_frozen = given_aligner(self._aligner())
        if not is_frozen and aligner.random_state is None:
            aligner.set_params(random_state=self.random_state)
        collections.check_in_memory(type(self).__name__, X=X, y=y, sample_weight=sample_weight)
        template, options = collections.table_of(X, least=2)
        table = validate_data(self, template, reset=True, **options)
        blocks = blocks_of(aligner, is_frozen, table, self.n_features_in_)
        roles = blocks.two_positions(self.source, self.target)
        self.source_, self.target_ = roles[0], roles[1]
        aligner._check_parameters()
        rows = collections.as_rows(X, table, sample_weight, blocks, verbose=self.verbose)
        table, rows = (table if is_frame(table) else as_numpy(table)), rows.on_host()
        y, flat = self._responses(y, len(table))
        groups = check_groups(groups, len(table))
        to_estimator, weighted = self._route(rows.weights, groups, params)
        if not is_frozen:
            self._say(f"aligner: {rows.shape[1]:,} columns")
            aligner._learn(
                rows if weighted else rows.unweighted(), column_names(template), self.__dict__
            )
        self._say(f"source: {np.isfinite(y[:, 0]).sum():,} labelled rows of {len(table):,}")
        estimator = with_seed(clone(self._estimator()), self.random_state)
        self.estimator_, self.aligner_ = estimator, aligner
        path = path_between(rows, self.source_, self.target_)
        asked = blocks.select(table), y, flat, rows, path[:2], groups, to_estimator
        known, source, y = self._ask_source(estimator, *asked)
        return known, source, y, flat and known.said.shape[1] == 1, rows, path, groups

    def _responses(self, y, n):
        if y is not None:
            return known_responses(y, n)
        if not frozen(self.estimator):
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. Pass "
                "numbers, with NaN for samples that have none."
            )
        return np.full((n, 1), np.nan), True

    def _ask_source(self, estimator, table, y, flat, rows, both, groups, params):
        """Step 1: fit the source, and ask it about the pairs and about rows held out."""
        blocks, m, seen = rows.blocks, self.source_, TwoModalities.of(rows, both, groups)
        labelled = np.flatnonzero(np.isfinite(y[:, 0]) & seen.present[:, 0])
        params = {key: np.asarray(vector_as_numpy(v))[labelled] for key, v in params.items()}
        columns, own = blocks.columns[m], (y[labelled], seen.weights[labelled])
        block, default = select(table, columns, labelled), self.estimator is None
        if (dtype := np.asarray(block).dtype).kind == "f":  # to which estimators cast y
            with held_by(dtype, "y"):
                y[labelled].astype(dtype)
        apart = params.get("groups") if groups is None else groups[labelled]
        labels = Labelled(block, seen.source[labelled], *own, params, flat, default, apart)
        fit_source(estimator, labels, blocks.names[m])
        asked = select(table, columns, seen.pairs)
        said = source_said(estimator, asked, None if np.isnan(y).all() else y.shape[1])
        if said.shape[1] != y.shape[1]:
            y = np.full((len(y), said.shape[1]), np.nan)
            labels = replace(labels, y=y[labelled])
        source = held_out(estimator, labels, asked, said)
        folds = np.zeros(len(y), dtype=int)
        folds[labelled] = source.folds
        return seen.known(said, source.of_others, y, folds), source, y

    def _learn_chain(self, known: Known, source: HeldOut, y, flat: bool, rows, path, groups):
        """Steps 2 and 3 for each modality on the way to the target, and for the target."""
        self.__dict__.pop("source_mse_", None)  # of an earlier fit
        for m, k, following in zip(path, path[1:], path[2:], strict=False):
            regressor = self._learn_target(known, source, flat, rows, m, k)
            seen = TwoModalities.of(rows, (k, following), groups)
            mean, std = regressor._predict(seen.source[seen.pairs], with_std=True)
            known, source = relayed(seen, mean, std, source, y)
        self.target_regressor_ = self._learn_target(known, source, flat, rows, *path[-2:])

    def _learn_target(self, known: Known, source: HeldOut, flat: bool, rows, m: int, k: int):
        """The model of modality k, by what m says, and how far it errs."""
        self._say(f"{rows.blocks.names[k]}: {len(known.said):,} pairs")
        task, pairing = transfer_task(known, rows.eps, None)
        model = learn_target(task)
        noise, agreement = noise_of(task, model), agreement_of(task, model)
        if np.isfinite(known.alone_y[:, 0]).any():
            worth = worth_of_labels(noise, source.mse)
            task, pairing = transfer_task(known, rows.eps, worth)
            model = learn_target(task)
            noise, agreement = noise_of(task, model), agreement_of(task, model)
        nothing, pvalue = nothing_shared(known, task, model, rows.eps)
        if nothing.any():
            model = without_target(model, task, nothing)
            noise = noise_of(task, model)
            both = rows.blocks.names[m], rows.blocks.names[k]
            self._warn(*both, task.n_pairs, nothing, pvalue, flat)
        measured = errors_of_truth(known, task, pairing, model)
        noise, error = variances(noise, source, measured, task, nothing)
        prior, names = prior_of(task, source), getattr(self, "feature_names_in_", None)
        names = None if names is None else names[rows.blocks.of_table(k)]
        told = {"agreement_": agreement, "prior_mean_": prior[0], "prior_std_": prior[1]}
        if m == self.source_ and source.mse is not None:
            told["source_mse_"] = source.mse
        for name, value in told.items():
            setattr(self, name, float(value[0]) if flat else value)
        parts = model, noise, error, limits_of(known, source.y), flat, names
        return ModalityRegressor._from_model(*parts)

    def _warn(self, source, target, n_pairs, nothing, pvalue, flat):
        which = "" if flat else f" about outputs {np.flatnonzero(nothing).tolist()}"
        by = "left out in turn" if pvalue is None else f"p-value {pvalue[nothing].min():.2g}"
        warnings.warn(
            f"Pairs of {source!r} and {target!r} share nothing beyond chance{which} ({n_pairs} "
            f"different pairs, {by}): predictions are the mean of the pairs. Check "
            "that rows are paired, or give more pairs.",
            UserWarning,
            stacklevel=5,
        )

    def _say(self, what):
        if self.verbose:
            print(f"[skalign] {what}", flush=True)

    def _validated(self, X):
        """Rows whose columns are those of the fit; of a collection a table without rows."""
        template, options = collections.table_of(X)
        widths = {self.target_regressor_.n_features_in_}
        with noting_width(template, widths, "ask target_regressor_, or "):
            return validate_data(self, template, reset=False, **options)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        # scikit-learn's checks hold the information in both halves of the features
        tags.regressor_tags.poor_score = True
        return tags
