"""The estimator that moves a classifier from one modality to another."""

import warnings
from functools import cache

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_consistent_length, check_is_fitted, has_fit_parameter

from . import _components, _dask, _sample, _source
from ._aligner import SIGNIFICANCE, NullSpaceAligner
from ._array_api import OnDevice, host, like
from ._blocks import position_of
from ._classifier import ModalityClassifier
from ._labels import UNLABELLED, known_labels
from ._mixture import join
from ._stacking import presence, rows_of, select
from ._validation import check_option, check_weights, keep_state_on_error, validate_stack


class CrossModalTransferClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    r"""Labels in one modality, predictions from another, no label there at all.

    The three steps of Kamboj & Do:

    1. fit ``estimator`` on the source block of the labelled rows: :math:`p(c \mid x_1)`;
    2. fit ``aligner`` on the pairs, and Gaussian components on what it aligns;
    3. give components classes by the source's posterior on the pairs, and classify the target
       modality by the law that the components have *there*, with that modality's own noise:

    .. math:: p(c \mid x_2) = \sum_k p(c \mid k) \, p(k \mid x_2).

    By default components are classes. Their law in the target is learned by an EM that keeps the
    source's posterior as a factor, :math:`r_c \propto p(c \mid x_1) \, p(x_2 \mid c)^\lambda`,
    with :math:`\lambda` chosen by how well leave-one-out decisions of the target agree with the
    source. Two Gaussian laws are pooled, one of the target's features and one of their lift by a
    Gaussian kernel. Given components (``mixture``) get the classes of maximum likelihood.

    Labels reach the target through the source classifier and nothing else, so that
    cross-validation on labelled pairs measures the transfer. Rows with one modality only help:
    all of them improve the aligner, those of the target its law. Where pairs share nothing beyond
    chance `fit` warns, and predictions are the class prior.

    Parameters
    ----------
    estimator : classifier, default=None
        Classifier of the source modality. ``None`` is
        ``LogisticRegression(max_iter=1000)``. One without ``predict_proba`` takes
        part with its hard predictions. Wrap a fitted one in
        :class:`~sklearn.frozen.FrozenEstimator` to use it as it is; then no label is needed.
    aligner : NullSpaceAligner, default=None
        Learns the aligned space, and names the modalities. With ``n_components="auto"`` the
        default components look at the whole target; any other value holds them to the span of
        so many aligned dimensions. ``None`` is ``NullSpaceAligner()``. May be frozen.
    mixture : estimator of :mod:`sklearn.mixture`, default=None
        Components of the aligned space, such as
        :class:`~sklearn.mixture.GaussianMixture`. ``None`` takes one component per class.
    source : int or str, default=0
        Modality that ``estimator`` reads, by position or name.
    target : int or str, default=1
        Modality to predict from, by position or name.
    predict_from : {"target", "available"}, default="target"
        ``"target"`` never looks at another block. ``"available"`` joins all modalities that a row
        has, the source's own word among them, as independent given the class.
    random_state : int, RandomState instance or None, default=None
        Passed to ``estimator``, ``aligner`` and ``mixture`` where they have none of their own.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, of the source classifier and of ``y``.
    estimator_ : classifier
        The fitted source classifier.
    aligner_ : NullSpaceAligner
        The fitted aligner.
    mixture_ : estimator of sklearn.mixture
        The fitted components, over the output of ``aligner_.transform``.
    component_class_proba_ : ndarray of shape (n_mixture_components, n_classes)
        Class probabilities of each component.
    class_prior_ : ndarray of shape (n_classes,)
        Class probabilities before anything is seen: the answer for rows without their target.
    target_classifier_ : ModalityClassifier
        A classifier over the target's columns alone: the thing to deploy.
    agreement_ : float
        How far leave-one-out decisions of the target agree with the source on the pairs: 0 is
        chance, 1 the most that the source's doubt allows. Only where ``mixture`` is None.
    n_features_in_ : int
        Number of features of all modalities together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only for dataframes whose column names are strings.

    See Also
    --------
    NullSpaceAligner : The aligned space.
    ModalityClassifier : What ``target_classifier_`` is.
    sklearn.semi_supervised.SelfTrainingClassifier : One modality, few labels.

    Notes
    -----
    ``-1`` in ``y`` marks an unlabelled sample, as in :mod:`sklearn.semi_supervised`; in string or
    object labels ``None`` and NaN do, too. Where ``y`` holds just -1 and 1, both are labels.

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

    def __init__(
        self,
        estimator=None,
        *,
        aligner=None,
        mixture=None,
        source=0,
        target=1,
        predict_from="target",
        random_state=None,
    ):
        self.estimator = estimator
        self.aligner = aligner
        self.mixture = mixture
        self.source = source
        self.target = target
        self.predict_from = predict_from
        self.random_state = random_state

    @keep_state_on_error
    def fit(self, X, y=None, sample_weight=None):
        """Learn to classify the target modality.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks of all modalities side by side; a missing block is NaN. Of a Dask array or
            dataframe the aligner sees every row, and the rest a sample in memory: at most
            100,000 rows of each kind, drawn evenly in their order. Kinds are labelled rows of the
            source; rows with the source and another modality; rows without the source; rows of
            the source alone without a label.
        y : array-like of shape (n_samples,)
            Labels; -1 where a sample has none. May be None if ``estimator`` is frozen.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; a weight of two counts a row twice.

        Returns
        -------
        self : CrossModalTransferClassifier

        Raises
        ------
        ValueError
            If no labelled row has the source modality, if these hold a single class, or if fewer
            than two rows have every modality.
        """
        check_option("predict_from", self.predict_from, ("target", "available"))
        aligner = None
        if _dask.is_dask(X):
            aligner, X, y, sample_weight = _sample.sampled(self, X, y, sample_weight)
        frame = X
        X = validate_stack(self, X, reset=True)
        if y is None and _source.frozen(self.estimator):
            y = np.full(len(X), UNLABELLED)
        y, known = known_labels(host(y), type(self).__name__)
        check_consistent_length(X, y)
        weights = check_weights(sample_weight, X)
        routed = self._route(sample_weight if weights is None else weights)

        if aligner is None:
            aligner = self._fit_aligner(frame, routed["aligner"])
        if isinstance(X, OnDevice):  # laws and the source are learned on the host
            frame = X = host(X)
        blocks = aligner._blocks
        source, target = self._roles = self._positions(blocks)
        present = presence(X, blocks)
        counted = np.ones(len(X), dtype=bool) if weights is None else weights > 0
        labelled = np.flatnonzero(known & present[:, source] & counted)
        estimator = clone(self._estimator())
        _source.set_seed(estimator, self.random_state)
        estimator = _source.fit(
            estimator,
            select(frame, blocks.columns[source]),
            y,
            labelled,
            routed["estimator"],
            blocks.names[source],
        )

        if not np.any(present[:, source] & present[:, target] & counted):
            raise ValueError(
                f"X has no pairs: no row has both the source {blocks.names[source]!r} and the "
                f"target {blocks.names[target]!r}."
            )
        rows = np.flatnonzero(present[:, source] & (present.sum(axis=1) > 1) & counted)
        posterior = _source.posterior(estimator, select(frame, blocks.columns[source], rows))
        self.classes_, posterior = _source.all_classes(
            estimator.classes_, y[known & counted], posterior
        )
        self.estimator_, self.aligner_ = estimator, aligner
        weights = np.ones(len(X)) if weights is None else weights

        @cache  # wanted for each fold, or not at all
        def means():
            return self._class_means(X, y, weights, labelled)

        def anchors(held):
            return self._class_anchors(means(), X, weights, rows[held])

        apart = np.flatnonzero(~present[:, source] & counted)
        alone = X[apart], present[apart], weights[apart]
        self._fit_laws(rows_of(X, rows), present[rows], posterior, weights[rows], anchors, alone)
        return self

    def predict_proba(self, X):
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
        if _dask.is_dask(X):
            return _dask.lazily(self, "predict_proba", X, len(self.classes_), np.float64)
        proba, X = self._proba(X)
        return like(proba, X, X.dtype)

    def _proba(self, X):
        """Class probabilities on the host, and the validated rows."""
        check_is_fitted(self)
        check_option("predict_from", self.predict_from, ("target", "available"))
        frame = X
        X = validate_stack(self, X)
        blocks = self.aligner_._blocks
        source, target = self._roles
        present = presence(X, blocks)
        modalities = [target] if self.predict_from == "target" else [source, *self._classifiers]
        said = list(self._what_each_says(frame, X, present, modalities))
        powers = [1.0 if m == source else self._laws.powers[m] for m in modalities]
        proba, usable = join(said, powers, self._laws.start, self.class_prior_)
        missing = len(X) - int(usable.sum())
        if missing:
            lacking = (
                f"the target {blocks.names[target]!r}"
                if self.predict_from == "target"
                else "every modality"
            )
            warnings.warn(
                f"{missing} of {len(X)} rows lack {lacking}, the first is row "
                f"{np.flatnonzero(~usable)[0]}: they get the class prior.",
                UserWarning,
                stacklevel=3,
            )
        return proba, X

    def predict(self, X):
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
        if _dask.is_dask(X):
            check_is_fitted(self)
            return _dask.lazily(self, "predict", X, dtype=self.classes_.dtype)
        proba, X = self._proba(X)
        return like(self.classes_[np.argmax(proba, axis=1)], X)

    def get_metadata_routing(self):
        """Tell which metadata goes where; see scikit-learn's user guide on metadata routing.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(estimator=self._estimator(), method_mapping=mapping)
            .add(aligner=self._aligner(), method_mapping=mapping)
        )

    # -- steps of fit ----------------------------------------------------------------------------

    def _estimator(self):
        if self.estimator is not None:
            return self.estimator
        default = LogisticRegression(max_iter=1000)
        return default.set_fit_request(sample_weight=True) if _routing() else default

    def _aligner(self):
        if self.aligner is not None:
            return self.aligner
        default = NullSpaceAligner()
        return default.set_fit_request(sample_weight=True) if _routing() else default

    def _route(self, sample_weight):
        """Metadata of the fits of the estimator and the aligner."""
        if _routing():
            given = {} if sample_weight is None else {"sample_weight": sample_weight}
            routed = process_routing(self, "fit", **given)
            return {"estimator": routed.estimator.fit, "aligner": routed.aligner.fit}
        if sample_weight is None:
            return {"estimator": {}, "aligner": {}}
        estimator = self._estimator()
        if not has_fit_parameter(estimator, "sample_weight") and not _source.frozen(estimator):
            raise ValueError(
                f"estimator={type(estimator).__name__} takes no sample_weight: fit without "
                "weights, or choose an estimator whose fit takes them."
            )
        given = {"sample_weight": sample_weight}
        return {"estimator": given, "aligner": given}

    def _fit_aligner(self, frame, params):
        aligner = clone(self._aligner())
        kind = aligner.estimator if _source.frozen(aligner) else aligner
        if not isinstance(kind, NullSpaceAligner):
            raise ValueError(
                f"aligner={kind!r} must be a NullSpaceAligner, which may be frozen by "
                "sklearn.frozen.FrozenEstimator."
            )
        if _source.frozen(aligner):
            check_is_fitted(kind)
            if kind.n_features_in_ != self.n_features_in_:
                raise ValueError(
                    f"aligner was fitted on {kind.n_features_in_} features, X has "
                    f"{self.n_features_in_}."
                )
            return kind
        _source.set_seed(aligner, self.random_state)
        return aligner._fit(frame, **params)

    def _class_means(self, X, y, weights, labelled):
        """Means of the classes in the source; NaN elsewhere, and for classes without a row."""
        means = np.full((len(self.classes_), X.shape[1]), np.nan)
        columns = self.aligner_._blocks.indices(self._roles[0])
        labels = y[labelled]
        for c, label in enumerate(self.classes_):
            mine = labelled[labels == label]
            if len(mine):
                means[c, columns] = weights[mine] @ X[np.ix_(mine, columns)] / weights[mine].sum()
        return means

    def _class_anchors(self, means, X, weights, held):
        """What the aligner makes of class means of the source, had it not seen some rows."""
        aligner, anchors = self.aligner_, np.full_like(means, np.nan)
        if len(held) and not _source.frozen(self._aligner()):
            try:
                aligner = aligner._without(X, weights, held)
            except ValueError:  # too little is left
                return anchors
        found = np.isfinite(means).any(axis=1)
        if found.any():
            anchors[found] = aligner._coding.fill(means[found])
        return anchors

    def _fit_laws(self, X, present, posterior, weights, anchors, alone):
        """Learn the law of the classes in each modality that predictions may come from."""
        aligner, names = self.aligner_, self.aligner_.modality_names_
        source, target = self._roles
        wanted = [target]
        if self.predict_from == "available":
            wanted = [m for m in range(len(names)) if m != source and present[:, m].any()]
        pairs = aligner, X, present, posterior, weights
        if self.mixture is None:
            laws = _components.learn_laws(*pairs, source, target, wanted, anchors, alone)
            self.agreement_ = laws.agreement
        else:
            if hasattr(self, "agreement_"):  # of an earlier fit without a mixture
                del self.agreement_
            mixture = clone(self.mixture)
            _source.set_seed(mixture, self.random_state)
            laws = _components.fit_mixture(mixture, *pairs, target, wanted)
        smallest = min(laws.pvalue, aligner.pvalues_[0])
        if smallest > SIGNIFICANCE:
            laws = _components.refuse(laws, target)
            warnings.warn(
                f"Pairs of {names[source]!r} and {names[target]!r} share nothing beyond chance "
                f"({int(present[:, target].sum())} pairs, smallest p-value {smallest:.2g}): "
                "predictions are the class prior. Check that rows are paired, or give more pairs.",
                UserWarning,
                stacklevel=4,
            )
        self.mixture_, self.component_class_proba_ = laws.mixture, laws.component_proba
        self.class_prior_, self._laws = laws.class_prior, laws
        self._classifiers = {
            m: ModalityClassifier._from_law(encoder, law, self.classes_, self.class_prior_)
            for m, (encoder, law) in laws.by_modality.items()
        }
        self.target_classifier_ = self._classifiers[target]

    # -- steps of predict ------------------------------------------------------------------------

    def _positions(self, blocks):
        source = position_of(self.source, blocks.names, "source")
        target = position_of(self.target, blocks.names, "target")
        if source == target:
            raise ValueError(
                f"source={self.source!r} and target={self.target!r} are one modality: there is "
                "nothing to transfer."
            )
        return source, target

    def _what_each_says(self, frame, X, present, modalities):
        """Class probabilities (n, C) by each modality; NaN in rows that lack it."""
        blocks, source = self.aligner_._blocks, self._roles[0]
        for m in modalities:
            proba = np.full((len(X), len(self.classes_)), np.nan)
            rows = np.flatnonzero(present[:, m])
            if len(rows) and m == source:
                own = _source.posterior(self.estimator_, select(frame, blocks.columns[m], rows))
                proba[rows] = _source.all_classes(self.estimator_.classes_, self.classes_, own)[1]
            elif len(rows):
                proba[rows] = self._classifiers[m]._predict_proba(rows_of(blocks.take(X, m), rows))
            yield proba

    def _both_probas(self, X):
        """Rows that are pairs, and their class probabilities by the source and by the target."""
        check_is_fitted(self)
        frame = X
        X = validate_stack(self, X)
        present = presence(X, self.aligner_._blocks)
        rows = np.flatnonzero(present[:, self._roles].all(axis=1))
        pairs = select(frame, slice(None), rows), X[rows], present[rows]
        return rows, *self._what_each_says(*pairs, self._roles)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # scikit-learn's checks hold the information in both halves of the features
        tags.classifier_tags.poor_score = self.predict_from == "target"
        return tags


def _routing():
    return get_config().get("enable_metadata_routing", False)
