"""The estimator that moves a classifier from one modality to another."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from .._blocks import chains
from .._utils._labels import UNLABELLED, check_groups, known_labels
from .._utils._validation import (
    check_option,
    check_switch,
    column_names,
    noting_width,
    requesting,
    restored_on_error,
    routing,
)
from ..alignment import NullSpaceAligner
from ..alignment._given import blocks_of, given_aligner
from ..moments import _dask as collections
from . import _modality_classifier as modality
from ._dask import drawn
from ._distillation import distil, distil_components
from ._modality_classifier import ModalityClassifier, Predictor
from ._source import (
    frozen,
    given_prior,
    groups_parameter,
    labelled_accuracy,
    soft_labels,
    weight_parameter,
    with_seed,
)
from ._task import anchor_folds, nothing_shared, transfer_task, with_anchors

# Discriminants that stand beside given components.
ALONE = {"directions": False, "forest": False}


class CrossModalTransferClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    r"""Labels in one modality, predictions from another, no label there at all.

    The three steps of Kamboj & Do:

    1. fit ``estimator`` on the source block of the labelled rows: :math:`p(c \mid x_1)`;
    2. fit ``aligner`` on the pairs, and Gaussian components on what it aligns;
    3. give components classes by the source's posterior on the pairs, and classify the target
       modality by the density that the components have *there*, with that modality's own noise:

    .. math:: p(c \mid x_2) = \sum_k p(c \mid k) \, p(k \mid x_2).

    By default components are classes, and the target is classified on the *whole* of its features,
    not in the aligned space: these hold more than what modalities share linearly. Its
    discriminants are distilled from the source by an EM that keeps the source's posterior as a
    factor, :math:`r_c \propto p(c \mid x_1) \, p(x_2 \mid c)^\lambda`. The mean of linear and
    kernel discriminants, of the same on directions of rows, and of a forest predicts. If pairs are
    few, the aligner carries class means of the source over. ``target_space="aligned"`` keeps to
    the aligned span. Given components (``mixture``) are fitted in the aligned space to what the
    source says there; the target learns them in the same way.

    Rows with one modality only help: all of them improve the aligner, those of the target its
    discriminants, and where they have a label they teach them, beside the pairs or alone. If pairs
    share nothing beyond chance `fit` warns, and what labels the target has, or the prior, predict.

    Parameters
    ----------
    estimator : classifier, default=None
        Classifier of the source modality. ``None`` is
        ``LogisticRegression(max_iter=1000)``. One without ``predict_proba`` takes
        part with its hard predictions. Wrap a fitted one in
        :class:`~sklearn.frozen.FrozenEstimator` to use it as it is; then no label is needed.
    aligner : NullSpaceAligner, default=None
        Learns the aligned space, and names the modalities. ``None`` is ``NullSpaceAligner()``.
        May be frozen.
    mixture : estimator of :mod:`sklearn.mixture`, default=None
        Components of the aligned space, such as :class:`~sklearn.mixture.GaussianMixture`, for
        classes of several modes. ``None`` takes one component per class.
    target_space : {"whole", "aligned"}, default="whole"
        What of the target is looked at: all of it, or the aligned dimensions alone.
    source : int, str or sequence of these, default=0
        Modality that ``estimator`` reads, by position or name. Of several each has its own clone
        of it, and the mean of what they say counts. One that shares no row with the target is
        joined to it by a chain of other modalities, each of which learns from the one before.
    target : int, str or sequence of these, default=1
        Modality to predict from, by position or name. Of several all are learned, and those that
        a row has are joined as with ``predict_from="available"``.
    predict_from : {"target", "available"}, default="target"
        ``"target"`` never looks at another block. ``"available"`` joins all modalities that a row
        has, the sources' own word among them, as independent given the class.
    target_labels : {"unpaired", "all", "none"}, default="unpaired"
        Labels that teach a target directly: those of rows that have it and lack the source, of
        pairs, too, or none. By default those of pairs reach it through the source alone, so that
        cross-validation over labelled pairs tells what a target without a label would give.
    class_prior : {"auto", "uniform"} or array-like of shape (n_classes,), default="auto"
        Shares of the classes where predictions are made, in the order of ``classes_``. ``"auto"``
        takes classes as equally likely that have half of an even share of the pairs, or more, by
        what the source says; a rarer class is as rare as it is there.
    random_state : int, RandomState instance or None, default=None
        Passed to ``estimator``, ``aligner`` and ``mixture`` where they have none of their own.
    verbose : bool, default=False
        Whether to print each step of `fit`, and how far long passes over the rows are.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, of the source classifier and of ``y``.
    estimator_ : classifier
        The fitted source classifier; of several sources the first one's.
    estimators_ : dict of int to classifier
        One for each source, by position.
    aligner_ : NullSpaceAligner
        The fitted aligner.
    mixture_ : estimator of sklearn.mixture
        The fitted components, over the output of ``aligner_.transform``. Only where a mixture
        predicts.
    component_class_proba_ : ndarray of shape (n_mixture_components, n_classes)
        Class probabilities of each component. Only where a mixture predicts.
    class_prior_ : ndarray of shape (n_classes,)
        The answer for rows without their target: ``class_prior``, or its estimate from the pairs.
    target_classifier_ : ModalityClassifier
        A classifier over the target's columns alone, as `fit` was given them: the thing to deploy.
        What stands before the transfer in a pipeline stands before this one, too. Of several
        targets the first one's; ``classifiers_`` has all.
    classifiers_ : dict of int to ModalityClassifier
        One for each modality that predictions are made from, by position; with
        ``predict_from="available"`` of all modalities but the sources.
    source_, target_ : int
        Positions of the source and the target, the first where there are several.
    sources_, targets_ : tuple of int
        Positions of all of them.
    source_inverse_temperature_ : float
        Power of the source's probabilities beside others: below one where it is surer than right
        on labelled rows held out; one where it is frozen, or ``predict_from="target"``. Of
        several sources the least.
    agreement_ : float
        How far leave-one-out decisions of the target agree with the source on the pairs: 0 is
        chance, 1 the most that the source's doubt allows. Only where ``mixture`` is None. Along a
        chain, with the modality before it.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only for dataframes whose column names are strings.

    See Also
    --------
    NullSpaceAligner : The aligned space.
    ModalityClassifier : What ``target_classifier_`` is.
    sklearn.semi_supervised.SelfTrainingClassifier : One modality, few labels.

    Notes
    -----
    ``-1`` in ``y`` marks an unlabelled sample, as in :mod:`sklearn.semi_supervised`; ``None`` and
    NaN do, too. Where ``y`` holds just -1 and 1, both are labels.

    References
    ----------
    .. [1] A. Kamboj and M. N. Do, "Leveraging Perfect Multimodal Alignment and Gaussian
       Assumptions for Cross-modal Transfer".

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import CrossModalTransferClassifier, NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> data = make_paired_gaussians(600, n_features=(5, 8), noise=0.5, random_state=0)
    >>> X, y = data.X.copy(), data.y.copy()
    >>> X[:200, 5:] = np.nan  # labelled: first modality only
    >>> y[200:] = -1          # pairs: no label
    >>> X[400:, :5] = np.nan  # to predict: second modality only
    >>> model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[5, 8]))
    >>> model.fit(X[:400], y[:400]).score(X[400:], data.y[400:]) > 0.95
    True
    """

    __metadata_request__fit = {"groups": True}

    def __init__(
        self,
        estimator: Any = None,
        *,
        aligner: Any = None,
        mixture: Any = None,
        target_space: Literal["whole", "aligned"] = "whole",
        source: Any = 0,
        target: Any = 1,
        predict_from: Literal["target", "available"] = "target",
        target_labels: Literal["unpaired", "all", "none"] = "unpaired",
        class_prior: Any = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.estimator = estimator
        self.aligner = aligner
        self.mixture = mixture
        self.target_space = target_space
        self.source = source
        self.target = target
        self.predict_from = predict_from
        self.target_labels = target_labels
        self.class_prior = class_prior
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None, **params: Any
    ) -> Self:
        """Learn to classify the target modality.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN. Of a Dask collection
            the aligner sees every row, and the rest 100,000 of each kind at most, drawn evenly:
            labelled rows of the source, pairs, rows without the source, unlabelled ones of it.
        y : array-like of shape (n_samples,)
            Labels; -1 where a sample has none. May be None if ``estimator`` is frozen.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; two count a row twice. The last step of a pipeline gets them.
        groups : array-like of shape (n_samples,), default=None
            Of rows that depend on each other, such as subjects, each in the order of time. Whether
            pairs share anything, and anchors, are judged by groups; ``estimator`` may get them.
        **params : dict
            Other metadata for the fit of ``estimator``, one value a row.

        Returns
        -------
        self : CrossModalTransferClassifier

        Raises
        ------
        ValueError
            If no labelled row has the source modality, these hold a single class, or neither
            pairs nor a chain of pairs join source and target.
        """
        self._check_parameters()
        with restored_on_error(self.__dict__):
            soft = self._fit_source_and_aligner(X, y, sample_weight, groups, params)
            self._learn_targets(soft)
        return self

    def predict_proba(self, X: Any) -> Any:
        """Class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``. Rows that lack what ``predict_from`` asks for get the
            class prior, and a warning counts them.
        """
        check_is_fitted(self)
        return self._mapped(modality.predicted_proba, X, len(self.classes_), np.float64)

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of the class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; minus infinity for probability zero.
        """
        check_is_fitted(self)
        return self._mapped(modality.predicted_log_proba, X, len(self.classes_), np.float64)

    def predict(self, X: Any) -> Any:
        """Most probable classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels out of ``classes_``.
        """
        check_is_fitted(self)
        return self._mapped(modality.predicted_labels, X, None, self.classes_.dtype)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of `predict`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN.
        y : array-like of shape (n_samples,)
            Labels, one for every row.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If a row has no label.
        """
        return labelled_accuracy(self.predict(X), y, self.classes_, sample_weight)

    def get_metadata_routing(self) -> MetadataRouter:
        """Tell which metadata goes where; see scikit-learn's user guide on metadata routing.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        router, mapping = MetadataRouter(owner=self).add_self_request(self), MethodMapping()
        parts = {"estimator": self._estimator(), "aligner": self._aligner()}
        return router.add(method_mapping=mapping.add(caller="fit", callee="fit"), **parts)

    def _check_parameters(self):
        check_option("predict_from", self.predict_from, ("target", "available"))
        check_option("target_labels", self.target_labels, ("unpaired", "all", "none"))
        check_option("target_space", self.target_space, ("whole", "aligned"))
        check_switch("verbose", self.verbose)

    def _estimator(self):
        default = LogisticRegression(max_iter=1000)
        return requesting(default) if self.estimator is None else self.estimator

    def _aligner(self):
        return requesting(NullSpaceAligner()) if self.aligner is None else self.aligner

    def _route(self, weights, groups, params):
        """Metadata of the fit of the estimator, and whether the aligner gets the weights."""
        name = None if groups is None else groups_parameter(self._estimator())
        if routing():
            params = params if groups is None else {"groups": groups, **params}
            given = {**params} if weights is None else {"sample_weight": weights, **params}
            routed = process_routing(self, "fit", **given)
            return routed.estimator.fit, "sample_weight" in routed.aligner.fit
        params = params if name is None else {name: groups, **params}
        if weights is None:
            return params, False
        return {weight_parameter(self._estimator()): weights, **params}, True

    def _fit_source_and_aligner(self, X, y, sample_weight, groups, params):
        """Steps 1 and 2: what the source says of the pairs, and the space in which they agree."""
        aligner, is_frozen = given_aligner(self._aligner())
        if not is_frozen and aligner.random_state is None:
            aligner.set_params(random_state=self.random_state)
        template, options = collections.table_of(X, least=2)
        table = validate_data(self, template, reset=True, **options)
        blocks = blocks_of(aligner, is_frozen, table, self.n_features_in_)
        self.sources_, self.targets_ = blocks.roles(self.source, self.target)
        self.source_, self.target_ = self.sources_[0], self.targets_[0]
        aligner._check_parameters()
        collections.check_in_memory("groups", X=X if groups is not None else None)
        if y is None and not frozen(self.estimator):
            known_labels(None, type(self).__name__)  # raises, before rows are read
        every = collections.as_rows(X, table, sample_weight, blocks, verbose=self.verbose)
        table, y, rows = drawn(every, table, y, self.sources_, type(self).__name__)
        if y is None:
            y = np.full(len(table), UNLABELLED)
        y, known = known_labels(y, type(self).__name__)
        check_consistent_length(table, y)
        groups = check_groups(groups, len(table))
        to_estimator, weighted = self._route(rows.weights, groups, params)
        if not is_frozen:
            self._say(f"aligner: {every.shape[1]:,} columns")
            seen = every if weighted else every.unweighted()
            aligner._learn(seen, column_names(template), self.__dict__)
        self._say(f"source: {known.sum():,} labelled rows of {len(y):,}")
        each = {m: with_seed(clone(self._estimator()), self.random_state) for m in self.sources_}
        asked = to_estimator, self.predict_from == "available", self.target_labels, groups
        told = blocks.select(table), y, known, rows, self.targets_, *asked
        self.classes_, soft = soft_labels(each, *told)
        self.estimator_, self.estimators_, self.aligner_ = each[self.source_], each, aligner
        self.source_inverse_temperature_ = soft.power
        return soft if weighted else replace(soft, rows=rows.unweighted())

    def _learn_targets(self, soft, **options):
        """Step 3: classes of each modality that may predict; ``options`` are those of `distil`."""
        for name in ("agreement_", "mixture_", "component_class_proba_"):
            self.__dict__.pop(name, None)  # of an earlier fit
        options["prior"] = given_prior(self.class_prior, self.classes_)
        wanted = self.targets_ if self.predict_from == "target" else None
        links = chains(soft.present[soft.weights > 0], self.sources_, wanted)
        checked = {*links.values(), *self.targets_}
        classifiers: dict[int, ModalityClassifier] = {}
        for last in dict.fromkeys(links.values()):
            told = soft if last is None else self._relayed(soft, last, classifiers[last])
            together = [m for m, k in links.items() if k == last]
            classifiers |= self._classifiers(told, together, checked, options)
        self.classifiers_ = {m: c for m, c in classifiers.items() if m in (wanted or links)}
        self.target_classifier_ = self.classifiers_[self.target_]
        self.class_prior_ = self.target_classifier_.class_prior_

    def _relayed(self, soft, m, classifier):
        """What a modality says of its rows, to those that have no row with a source."""
        rows = np.setdiff1d(np.flatnonzero(soft.present[:, m] & (soft.weights > 0)), soft.labelled)
        return soft.relayed(m, rows, classifier._predict_proba(soft.block(m)[rows]))

    def _classifiers(self, soft, wanted, checked, options):
        """Classes of some modalities, all of which have rows with a source."""
        if self.mixture is None:
            models = {m: self._distilled(soft, m, options) for m in wanted}
        else:
            mixture = with_seed(clone(self.mixture), self.random_state)
            own, whole = options | ALONE, self.target_space == "whole"
            classes = {m: self._distilled(soft, m, own) for m in wanted if whole}
            main = self.target_ if self.target_ in wanted else wanted[0]
            given = self.aligner_._encoders, wanted, main, classes, own
            models = distil_components(mixture, soft, *given)
        for m, best in models.items():
            if m == self.target_ and self.mixture is None:
                self.agreement_ = best.agreement
            if m in checked and nothing_shared(soft, m, best.pvalue, self.classes_):
                models[m] = self._without_pairs(soft, m, best, options)
            elif m == self.target_ and self.mixture is not None:
                self.mixture_ = mixture
                self.component_class_proba_ = best.predictor.component_class_proba
        told = self.classes_, soft.rows.blocks, getattr(self, "feature_names_in_", None)
        return {m: ModalityClassifier._from_model(model, m, *told) for m, model in models.items()}

    def _distilled(self, soft, m, options):
        """Classes of a modality by discriminants of soft labels."""
        span = None if self.target_space == "whole" else self.aligner_.encoders_[m].coef_
        task = transfer_task(soft, m, span)
        folds = anchor_folds(task)
        if folds:  # tried without rows of one modality, which cost most and change little
            lone = np.flatnonzero(soft.present.sum(axis=1) < 2)
            held = (np.append(lone, task.pairs[np.isin(task.inverse, fold)]) for fold in folds)
            carried = [self._carried(soft, m, left_out) for left_out in ([], *held)]
            task = with_anchors(task, folds, carried)
        return distil(task, **options)

    def _without_pairs(self, soft, m, best, options):
        """Classes of a target by its own labels, or their prior."""
        taught = soft.codes[soft.present[soft.labelled, m]]
        if len(np.unique(taught)) < 2:
            return modality.predict_prior_only(best)
        return distil(transfer_task(soft, m, paired=False), **options)

    def _carried(self, soft, m, held):
        """Class means of the source carried over to a modality, had some pairs not been seen."""
        carried = np.full((len(soft.means), soft.block(m).shape[1]), np.nan)
        found = np.isfinite(soft.means).any(axis=1)
        again = len(held) > 0 and not isinstance(self.aligner, FrozenEstimator)
        with suppress(ValueError):  # too little is left
            filled = self.aligner_._expected(soft.means[found], soft.rows if again else None, held)
            carried[found] = soft.rows.blocks.take(filled, m)
        return carried

    def _say(self, what):
        if self.verbose:
            print(f"[skalign] {what}", flush=True)

    def _validated(self, X):
        """Rows whose columns are those of the fit; of a collection a table without rows."""
        template, options = collections.table_of(X)
        widths = {c.n_features_in_ for c in self.classifiers_.values()}
        with noting_width(template, widths, "ask target_classifier_, or "):
            return validate_data(self, template, reset=False, **options)

    def _predictor(self):
        blocks, fused = self.aligner_._blocks, self.predict_from == "available"
        said = self.estimators_, self.classifiers_, self.classes_, self.class_prior_
        power = self.source_inverse_temperature_
        return Predictor(blocks, self.targets_, *said, power, fused)

    def _mapped(self, function, X, n_columns, dtype):
        """A function of rows, which are in memory, or of chunks when asked for."""
        check_option("predict_from", self.predict_from, ("target", "available"))
        apply = partial(function, predictor=self._predictor())
        return collections.map_rows(apply, X, self._validated(X), n_columns, dtype)

    def _both_probas(self, X):
        """Rows that are pairs, and their class probabilities by the source and by the target."""
        check_is_fitted(self)
        return self._predictor().both_say(self._validated(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # scikit-learn's checks hold the information in both halves of the features
        tags.classifier_tags.poor_score = self.predict_from == "target"
        return tags
