"""Every estimator on any paired data: what it is asked, and what may come of it.

A driver draws options by a random state, fits its estimator, and calls all methods that apply. A
call ends in an answer without NaN and infinity, or in a clear refusal; see `strategies.outcome`.
Whatever comes of it, what was given is as it was, and so is an estimator whose fit refuses.
"""

import pickle
from functools import cached_property

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier
from strategies import assert_distributions, outcome

from skalign import (
    BlockImputer,
    CrossModalImputer,
    CrossModalRetriever,
    CrossModalTransferClassifier,
    CrossModalTransferRegressor,
    LatentGauge,
    NullSpaceAligner,
    ZeroShotClassifier,
)
from skalign.model_selection import ConformalTransfer
from skalign.testing import PairedData, random_paired_data

GIVEN = ("X", "y", "response", "sample_weight", "groups")


class Finding(AssertionError):
    """Something that must not come of a call: a ``kind`` of failure, and what it was."""

    def __init__(self, kind, what):
        super().__init__(f"{kind}: {what}")
        self.kind = kind


def prints_of(value):
    """Something that changes if an input does."""
    if value is None:
        return None
    if hasattr(value, "columns"):
        return value.to_numpy().tobytes(), tuple(value.columns), tuple(value.index)
    if value.dtype == object:
        return repr(value.tolist())
    return value.tobytes(), value.dtype, value.strides


class Case:
    """Paired data, and calls that get them.

    ``fits`` and ``calls`` count those that were answered, and those that were refused.
    """

    def __init__(self, data: PairedData):
        self.data, self.widths, self.X = data, data.widths, data.X
        self.sample_weight, self.groups = data.sample_weight, data.groups
        self.fits, self.calls = [0, 0], [0, 0]

    @cached_property
    def y(self):
        """Labels."""
        return self.data.y

    @cached_property
    def response(self):
        """Numbers."""
        return self.data.response

    def _ask(self, function, counts):
        given = [value for name, value in vars(self).items() if name in GIVEN]
        before = list(map(prints_of, given))
        try:
            result = outcome(function)
        except Finding:
            raise
        except Exception as error:
            raise Finding("exception", f"{type(error).__name__}: {error}") from error
        finally:
            after = list(map(prints_of, given))
        if before != after:
            raise Finding("changed", "an input of the call")
        counts[result is None] += 1
        return result

    def fit(self, model, *args, method="fit", **params):
        """The fitted estimator, or None where it refuses; then it is as it was."""
        before, kept = dict(vars(model)), pickle.dumps(model)
        fitted = self._ask(lambda: getattr(model, method)(*args, **params), self.fits)
        if fitted is None:
            same = vars(model).keys() == before.keys()
            if not same or pickle.dumps(model) != kept:
                new = sorted(vars(model).keys() ^ before.keys())
                raise Finding("state", f"a {method} that refuses leaves a trace: {new}")
        return fitted

    def call(self, function, check=None):
        """What a method returns, all finite; None where it refuses."""
        result = self._ask(function, self.calls)
        if result is None:
            return None
        for part in result if isinstance(result, tuple) else (result,):
            values = np.asarray(part)
            if values.dtype.kind in "fc" and not np.isfinite(values).all():
                raise Finding("nan", f"{np.sum(~np.isfinite(values))} values are not finite")
        if check is not None:
            try:
                check(result)
            except AssertionError as error:
                raise Finding("exception", f"an answer is wrong: {error}") from error
        return result


# -- options --------------------------------------------------------------------------------------


def one_of(rng, *options):
    """One of some options."""
    return options[rng.randint(len(options))]


def modalities_of(widths, rng):
    """Widths, or a mapping of names to columns."""
    if rng.randint(5):
        return list(widths)
    return {f"m{m}": block for m, block in enumerate(PairedData(0, widths).blocks)}


def aligner_of(widths, rng):
    """An aligner: by its defaults as often as not."""
    aligner = NullSpaceAligner(modalities=modalities_of(widths, rng), random_state=0)
    if rng.randint(2):
        aligner.set_params(
            n_components=one_of(rng, "auto", "auto", None, 1, 2),
            whiten=bool(rng.randint(3)),
            center=bool(rng.randint(3)),
            shrinkage=one_of(rng, "auto", "auto", None, 0.0, 0.3, 1.0),
            tol=one_of(rng, None, None, 0.0, 1e-8, 0.1, 1.0),
            solver=one_of(rng, "auto", "covariance", "qr"),
        )
    return aligner


def roles_of(widths, rng):
    """Positions of two modalities, the first two mostly."""
    if rng.randint(3):
        return 0, 1
    first = rng.randint(len(widths))
    return int(first), int((first + 1 + rng.randint(len(widths) - 1)) % len(widths))


def prepared(case, model, rng, *, y=None):
    """The estimator, at times one that was fitted to tame data of the same widths before."""
    if rng.randint(8) == 0:
        layout = case.data.layout  # of a frame the columns have names
        tame = PairedData(30, case.widths, rank=2, layout=layout, seed=int(rng.randint(100)))
        args = (tame.X,) if y is None else (tame.X, getattr(tame, y))
        outcome(lambda: model.fit(*args))
    return model


def others(case, rng):
    """Rows of the same columns that the fit has not seen."""
    fields = {"n": int(rng.randint(1, 12)), "layout": case.data.layout}
    return random_paired_data(rng, widths=case.widths, **fields).X


def block_rows(case, m):
    """Rows of one modality alone, those that have it."""
    columns = case.data.blocks[m]
    block = case.data.rows[:, columns]
    has = np.isfinite(block).all(axis=1)
    return case.X.iloc[has, columns] if hasattr(case.X, "iloc") else block[has]


# -- drivers --------------------------------------------------------------------------------------


def in_parts(case, model, rng):
    """Rows in two parts, one after the other or merged; None where any is refused."""
    cut, w = int(rng.randint(case.data.n + 1)), case.sample_weight
    rows = case.X if not hasattr(case.X, "iloc") else case.X.iloc
    parts = [(rows[a:b], None if w is None else w[a:b]) for a, b in ((0, cut), (cut, None))]
    merged, whole = bool(rng.randint(2)), model
    for X, weights in parts:
        part = clone(model) if merged else whole
        learned = case.fit(part, X, method="partial_fit", sample_weight=weights)
        if learned is not None and merged and hasattr(whole, "_sums"):
            case.fit(whole, learned, method="merge")
        elif learned is not None:
            whole = learned
    return whole if hasattr(whole, "encoders_") else None


def drive_aligner(case, rng):
    """NullSpaceAligner and ModalityEncoder."""
    model = aligner_of(case.widths, rng)
    if rng.randint(4):
        model = case.fit(prepared(case, model, rng), case.X, sample_weight=case.sample_weight)
    else:
        model = in_parts(case, model, rng)
    if model is None:
        return
    for X in (case.X, others(case, rng)):
        Z = case.call(lambda X=X: model.transform(X))
        case.call(lambda X=X: model.impute(X, return_std=True))
        case.call(lambda X=X: model.score_samples(X))
        if Z is not None:
            case.call(lambda Z=Z: model.inverse_transform(Z))
        case.call(lambda X=X: model.score(X))
    for m, encoder in enumerate(model.encoders_):
        block = block_rows(case, m)
        if len(block):
            z = case.call(lambda e=encoder, b=block: e.transform(b))
            if z is not None:
                case.call(lambda e=encoder, z=z: e.inverse_transform(z))


def drive_imputer(case, rng):
    """CrossModalImputer."""
    model = prepared(case, CrossModalImputer(aligner_of(case.widths, rng)), rng)
    if case.fit(model, case.X, sample_weight=case.sample_weight):
        case.call(lambda: model.transform(case.X))
        case.call(lambda: model.transform(others(case, rng)))


def drive_block_imputer(case, rng):
    """BlockImputer, with single values missing."""
    X = case.data.rows
    if case.data.dtype == "float32":
        X = np.clip(X, -1e38, 1e38).astype(np.float32)
    X[rng.uniform(size=X.shape) < one_of(rng, 0.0, 0.1, 0.5)] = np.nan
    case.X = X
    model = BlockImputer(modalities=modalities_of(case.widths, rng))
    model = prepared(case, model, rng)
    if not case.fit(model, X):
        return

    def filled(out):
        out = np.asarray(out)
        for block in case.data.blocks:
            gone = np.isnan(X[:, block]).all(axis=1)
            assert np.isnan(out[gone][:, block]).all()
            assert np.isfinite(out[~gone][:, block]).all()
        assert np.array_equal(out[~np.isnan(X)], X[~np.isnan(X)])

    out = case._ask(lambda: model.transform(X), case.calls)
    if out is not None:
        try:
            filled(out)
        except AssertionError as error:
            raise Finding("nan", "values inside blocks are not filled, or changed") from error


def drive_gauge(case, rng):
    """LatentGauge, on columns as latents."""
    X = case.X if rng.randint(4) else np.nan_to_num(case.data.rows)
    how = one_of(rng, "anchors", "anchors", "some", "means", "mixture")
    if how == "mixture" and rng.randint(200):
        how = "anchors"  # registration is slow
    k, n = X.shape[1], case.data.n
    params, y = {"fit_intercept": bool(rng.randint(2))}, None
    if how == "means":
        means = rng.normal(size=(case.data.n_classes, k))
        params["class_means"], y = means, case.y
    elif how == "mixture":
        k = min(k, 3)
        X = np.asarray(X)[:, :k]
        params["mixture"] = {"means": rng.normal(size=(2, k)), "covariances": np.eye(k)}
        params["n_init"] = 2
    else:
        y = rng.normal(size=(n, rng.randint(1, 4))) * 10.0 ** one_of(rng, 0, 0, 0, 100, -100)
        if how == "some":
            y[rng.uniform(size=y.shape) < 0.3] = np.nan
    model = LatentGauge(random_state=0, **params)
    if case.fit(model, X, y) is None:
        return
    Z = case.call(lambda: model.transform(X))
    if Z is not None:
        case.call(lambda: model.inverse_transform(Z))


def drive_zero_shot(case, rng):
    """ZeroShotClassifier."""
    source, target = roles_of(case.widths, rng)
    model = ZeroShotClassifier(aligner_of(case.widths, rng), source=source, target=target)
    model = prepared(case, model, rng, y="y")
    if not case.fit(model, case.X, case.y, sample_weight=case.sample_weight):
        return
    case.call(lambda: model.predict_proba(case.X), assert_distributions)
    case.call(lambda: model.predict(others(case, rng)))
    case.call(lambda: model.score(case.X, case.y))
    same = {"widths": case.widths, "layout": case.data.layout, "coding": case.data.coding}
    more = random_paired_data(rng, n=5, labelled="all", **same)
    case.fit(model, more.X, more.y, method="add_classes")
    case.call(lambda: model.predict_proba(case.X), assert_distributions)


def drive_retriever(case, rng):
    """CrossModalRetriever."""
    query, gallery = roles_of(case.widths, rng)
    options = {
        "metric": one_of(rng, "auto", "likelihood", "cosine"),
        "cv": one_of(rng, None, None, 2, 5),
    }
    model = CrossModalRetriever(
        aligner_of(case.widths, rng), query=query, gallery=gallery, **options
    )
    model = prepared(case, model, rng)
    if not case.fit(model, case.X, sample_weight=case.sample_weight):
        return
    n_neighbors = int(rng.randint(1, 6))
    for X in (case.X, others(case, rng)):
        case.call(lambda X=X: model.kneighbors(X, n_neighbors))
        case.call(lambda X=X: model.similarity(X))
        case.call(lambda X=X: model.score(X))
    case.call(lambda: model.with_gallery(others(case, rng)).kneighbors(case.X, 1))


def drive_regressor(case, rng):
    """CrossModalTransferRegressor and ModalityRegressor."""
    source, target = roles_of(case.widths, rng)
    y = case.response * 10.0 ** one_of(rng, 0, 0, 0, 5, -5, 100, -100)
    if rng.randint(4) == 0:
        y = np.stack([y, -2 * y + 1], axis=1)
    given = one_of(rng, None, None, LinearRegression(), KNeighborsRegressor(2), "frozen")
    if isinstance(given, str):
        block, many = case.data.blocks[source], PairedData(9, case.widths, layout=case.data.layout)
        block = many.X.iloc[:, block] if case.data.layout == "frame" else many.X[:, block]
        given = FrozenEstimator(LinearRegression().fit(block, rng.normal(size=9)))
    model = CrossModalTransferRegressor(
        given, aligner=aligner_of(case.widths, rng), source=source, target=target, random_state=0
    )
    model, case.response = prepared(case, model, rng, y="response"), y
    if not case.fit(model, case.X, y, sample_weight=case.sample_weight):
        return
    deviations = hasattr(model, "source_mse_")
    for X in (case.X, others(case, rng)):
        case.call(lambda X=X: model.predict(X, return_std=deviations))
    case.call(lambda: model.score(case.X, y))
    block = block_rows(case, target)
    if len(block):
        case.call(lambda: model.target_regressor_.predict(block, return_std=True))


def transfer_of(case, rng):
    """A CrossModalTransferClassifier: one that is quick to fit, mostly."""
    source, target = roles_of(case.widths, rng)
    teacher = one_of(
        rng,
        GaussianNB(),
        GaussianNB(),
        LogisticRegression(max_iter=200),
        DecisionTreeClassifier(random_state=0),
        KNeighborsClassifier(2),
        None,
    )
    return CrossModalTransferClassifier(
        teacher,
        aligner=aligner_of(case.widths, rng),
        mixture=one_of(rng, None, GaussianMixture(2, random_state=0)),
        target_space=one_of(rng, "whole", "aligned"),
        predict_from=one_of(rng, "target", "target", "available"),
        target_labels=one_of(rng, "unpaired", "unpaired", "all", "none"),
        class_prior=one_of(rng, "auto", "auto", "uniform"),
        source=source,
        target=target,
        random_state=0,
    )


def drive_classifier(case, rng):
    """CrossModalTransferClassifier and ModalityClassifier."""
    model = transfer_of(case, rng)
    if not case.fit(model, case.X, case.y, sample_weight=case.sample_weight, groups=case.groups):
        return
    for X in (case.X, others(case, rng)):
        case.call(lambda X=X: model.predict_proba(X), assert_distributions)
    case.call(lambda: model.predict(case.X))
    case.call(lambda: model.score(case.X, case.y))
    block = block_rows(case, model.target_)
    if len(block):
        case.call(lambda: model.target_classifier_.predict_proba(block), assert_distributions)


def drive_conformal(case, rng):
    """ConformalTransfer."""
    errors = one_of(rng, "any", "independent")
    model = ConformalTransfer(transfer_of(case, rng), errors=errors, cv=2, random_state=0)
    if not case.fit(model, case.X, case.y, groups=case.groups):
        return
    for coverage in (0.5, 0.9):
        case.call(lambda c=coverage: model.predict_set(case.X, c))
    case.call(lambda: model.predict_set(others(case, rng)))


# Drivers, and how many of ten thousand cases are theirs: those that are quick have most.
DRIVERS = {
    drive_gauge: 4200,
    drive_block_imputer: 3763,
    drive_aligner: 900,
    drive_imputer: 500,
    drive_zero_shot: 400,
    drive_retriever: 100,
    drive_regressor: 100,
    drive_classifier: 31,
    drive_conformal: 6,
}
