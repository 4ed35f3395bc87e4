"""What holds for every estimator on any paired data that it takes.

Data are those of ``skalign.testing``; an estimator that refuses them has said why, and is asked no
more. What a fact is about is a function of the fitted estimator and rows.
"""

import pickle

import numpy as np
import pytest
from drivers import DRIVERS, Case, Finding
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from strategies import cases, outcome, seeds

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
from skalign.model_selection import ConformalTransfer, TransferSplit, permutation_test
from skalign.testing import PairedData, paired_data


def aligner_of(data):
    return NullSpaceAligner(1, modalities=list(data.widths), random_state=0)


def transfer_of(data):
    aligner = aligner_of(data)
    return CrossModalTransferClassifier(GaussianNB(), aligner=aligner, random_state=0)


# Of each: how it is made, what it is fitted to beside X, and what it says of rows.
ESTIMATORS = {
    "aligner": (aligner_of, None, lambda m, X: m.transform(X)),
    "imputation": (aligner_of, None, lambda m, X: m.impute(X)),
    "imputer": (lambda d: CrossModalImputer(aligner_of(d)), None, lambda m, X: m.transform(X)),
    "zero-shot": (
        lambda d: ZeroShotClassifier(aligner_of(d)),
        "y",
        lambda m, X: m.predict_proba(X),
    ),
    "classifier": (transfer_of, "y", lambda m, X: m.predict_proba(X)),
    "regressor": (
        lambda d: CrossModalTransferRegressor(aligner=aligner_of(d)),
        "response",
        lambda m, X: np.stack(m.predict(X, return_std=True)).T,
    ),
    "retriever": (
        lambda d: CrossModalRetriever(aligner_of(d), cv=2),
        None,
        lambda m, X: m.similarity(X[np.isfinite(np.asarray(X)[:, 0].astype(float))]),
    ),
    "block imputer": (
        lambda d: BlockImputer(modalities=list(d.widths)),
        None,
        lambda m, X: m.transform(X),
    ),
}
every = pytest.mark.parametrize("name", ESTIMATORS)
tame = {
    "n": st.integers(20, 40),
    "rank": st.integers(1, 3),
    "noise": 0.5,
    "powers": st.lists(st.integers(-2, 2), max_size=2).map(tuple),
    "edits": (),
    "missing": st.sampled_from(["none", "some", "alone"]),
    "dtype": "float64",
    "layout": "C",
    "n_classes": 2,
    "labelled": "all",
    "weights": "none",
}
usual = paired_data(**tame)


def fitted(name, data, X=None, **params):
    """The estimator, fitted; None where it refuses."""
    make, field, _ = ESTIMATORS[name]
    given_y = () if field is None else (getattr(data, field),)
    model = make(data)
    return outcome(lambda: model.fit(data.X if X is None else X, *given_y, **params))


def said(name, model, X):
    """What it says of rows that have a modality."""
    return outcome(lambda: np.asarray(ESTIMATORS[name][2](model, X)))


def complete(data):
    return data.X[np.isfinite(data.X.astype(float)).all(axis=1)]


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.__name__)
@settings(cases(30), suppress_health_check=list(HealthCheck))
@given(paired_data(), seeds)
def test_answers_are_finite_inputs_stay_and_refusals_leave_no_trace(driver, data, seed):
    driver(Case(data), np.random.RandomState(seed))


@every
@cases(12)
@given(data=usual)
def test_a_row_is_answered_by_itself(name, data):
    """Whatever other rows are asked about with it, and in whatever order."""
    model, X = fitted(name, data), complete(data)
    assume(model is not None and len(X) > 2)
    order = np.random.default_rng(data.seed).permutation(len(X))[: len(X) // 2]
    np.testing.assert_allclose(
        said(name, model, X[order]), said(name, model, X)[order], rtol=1e-9, atol=1e-9
    )


@every
@cases(12)
@given(data=usual, layout=st.sampled_from(["F", "strided", "reversed", "read-only", "frame"]))
def test_memory_does_not_show(name, data, layout):
    """Neither its order, nor the container, nor whether it may be written to."""
    other = PairedData(**{**vars(data), "layout": layout})
    a, b = fitted(name, data), fitted(name, data, other.X)
    assert (a is None) == (b is None)
    assume(a is not None)
    X = complete(data)
    if layout == "frame":
        X = other.X[np.isfinite(data.X).all(axis=1)]
    np.testing.assert_allclose(
        said(name, b, X), said(name, a, np.asarray(X)), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if "imput" not in name])
@cases(12)
@given(data=usual)
def test_rows_of_weight_zero_are_not_there(name, data):
    """As if they had been left out, labels and all."""
    assume(data.missing != "some")
    weights = np.random.default_rng(data.seed).integers(0, 2, size=data.n)
    X, y = data.X, getattr(data, ESTIMATORS[name][1] or "y")
    given_y = ESTIMATORS[name][1] is not None
    models = []
    for rows, w in ((slice(None), weights), (weights > 0, np.ones(weights.sum()))):
        model = ESTIMATORS[name][0](data)
        args = (X[rows], y[rows]) if given_y else (X[rows],)
        models.append(outcome(lambda m=model, a=args, w=w: m.fit(*a, sample_weight=w)))
    assert (models[0] is None) == (models[1] is None)
    assume(models[0] is not None)
    if name == "retriever":  # whose gallery has them
        models = [model.with_gallery(X) for model in models]
    a, b = (said(name, model, complete(data)) for model in models)
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@every
@cases(6)
@given(data=usual)
def test_a_file_says_the_same(name, data):
    """A pickled estimator, and one fitted again, answer alike to the last digit."""
    model, X = fitted(name, data), complete(data)
    assume(model is not None and len(X))
    expected = said(name, model, X)
    np.testing.assert_array_equal(said(name, pickle.loads(pickle.dumps(model)), X), expected)
    np.testing.assert_array_equal(said(name, fitted(name, data), X), expected)


@cases(40)
@given(usual)
def test_imputation_is_a_projection(data):
    """What it has filled is complete, and stays as it is; so does what was given."""
    model = fitted("imputation", data)
    assume(model is not None)
    some = data.X[np.isfinite(data.X).any(axis=1)]
    filled = outcome(lambda: model.impute(some))
    assume(filled is not None)
    np.testing.assert_array_equal(model.impute(filled), filled)
    np.testing.assert_array_equal(filled[np.isfinite(some)], some[np.isfinite(some)])


@cases(40)
@given(usual, st.integers(0, 4))
def test_a_block_is_filled_by_itself(data, m):
    """Whatever stands in the blocks of others, single values are filled alike."""
    rng = np.random.default_rng(data.seed)
    block = data.blocks[m % len(data.widths)]
    X = data.X.copy()
    X[rng.random(X.shape) < 0.2] = np.nan
    other = X.copy()
    rest = np.delete(np.arange(X.shape[1]), np.arange(block.start, block.stop))
    other[:, rest] = rng.normal(size=(data.n, len(rest)))
    a, b = fitted("block imputer", data, X), fitted("block imputer", data, other)
    assume(a is not None and b is not None)
    np.testing.assert_array_equal(a.transform(X)[:, block], b.transform(other)[:, block])


@cases(40)
@given(usual, seeds)
def test_neighbours_are_those_of_largest_similarity(data, seed):
    """In order, and of a gallery that is other rows, too."""
    model = fitted("retriever", data)
    assume(model is not None)
    query = data.X[np.isfinite(data.X[:, 0])]
    k = 1 + seed % min(5, len(model.gallery_rows_))
    distances, indices = model.kneighbors(query, k)
    assert (np.diff(distances, axis=1) >= 0).all()
    similarity = model.similarity(query)
    best = -np.sort(-similarity, axis=1)[:, :k]
    places = np.searchsorted(model.gallery_rows_, indices)
    found = np.take_along_axis(similarity, places, axis=1)
    np.testing.assert_allclose(found, best, rtol=1e-6, atol=1e-6)


@cases(40)
@given(usual)
def test_the_most_probable_class_is_predicted(data):
    """Of probabilities of sum one, whose logarithms are told, too."""
    for name in ("zero-shot", "classifier"):
        model = fitted(name, data)
        if model is None:
            continue
        X = complete(data)
        if not len(X):
            continue
        proba = model.predict_proba(X)
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        np.testing.assert_array_equal(model.predict(X), model.classes_[proba.argmax(axis=1)])
        np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), proba, rtol=1e-9)


@cases(8)
@given(paired_data(**{**tame, "labelled": "some"}), st.sampled_from(["any", "independent"]))
def test_sets_grow_with_the_coverage(data, errors):
    """Up to all classes at coverage one."""
    model = ConformalTransfer(transfer_of(data), errors=errors, cv=2, random_state=0)
    assume(outcome(lambda: model.fit(data.X, data.y)) is not None)
    sets = [model.predict_set(data.X, c) for c in (0.1, 0.5, 0.8, 0.9, 1.0)]
    for less, more in zip(sets, sets[1:], strict=False):
        assert (more >= less).all()
    assert sets[-1].all()


@cases(60)
@given(paired_data(**{**tame, "missing": "none"}), seeds, st.booleans())
def test_a_gauge_undoes_any_invertible_map(data, seed, fit_intercept):
    """True latents come back, whatever affine map hides them, and go there again."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(data.n, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0] * 10.0 ** rng.uniform(-3, 3, size=3)
    hidden = truth @ turn + (10 * rng.normal(size=3) if fit_intercept else 0)
    anchors = np.where(rng.random((data.n, 1)) < 0.5, truth, np.nan)
    anchors[:4] = truth[:4]
    gauge = LatentGauge(fit_intercept=fit_intercept).fit(hidden, anchors)
    np.testing.assert_allclose(gauge.transform(hidden), truth, atol=1e-6)
    back = gauge.inverse_transform(truth)
    np.testing.assert_allclose(back, hidden, atol=1e-6 * np.abs(hidden).max())


@cases(40)
@given(paired_data(), st.integers(1, 9))
def test_a_pvalue_is_a_rank(data, n):
    """Among the score and those of permutations: at least one of all, at most all of them."""
    modalities = list(data.widths)
    found = outcome(
        lambda: permutation_test(
            data.X, modalities=modalities, groups=data.groups, n_permutations=n, random_state=0
        )
    )
    if found is None:
        return
    score, others, pvalue = found
    assert np.isfinite(score) and np.isfinite(others).all() and len(others) == n
    rank = pvalue * (n + 1)
    assert 1 <= round(rank) <= n + 1
    np.testing.assert_allclose(rank, round(rank))


@cases(40)
@given(paired_data(), st.sampled_from([2, 3]))
def test_a_row_is_tested_once_at_most(data, n_folds):
    """All others train; those that are tested have the target and a label."""
    splitter = TransferSplit(KFold(n_folds), modalities=list(data.widths))
    folds = outcome(lambda: list(splitter.split(data.X, data.y)))
    if folds is None:
        return
    tested = np.concatenate([test for _, test in folds])
    assert len(np.unique(tested)) == len(tested)
    assert data.known[tested].all()
    assert np.isfinite(data.rows[tested][:, data.blocks[1]]).all()
    for train, test in folds:
        assert len(np.intersect1d(train, test)) == 0


# -- the rule itself can fail ---------------------------------------------------------------------


class Careless:
    """Does what must not be done."""

    def fit(self, X, how):
        if how == "changes":
            X[0, 0] = 3.0
        if how == "trace":
            self.trace_ = 1
            raise ValueError("row 3 is no row.")
        if how == "unclear":
            raise ValueError("no.")
        if how == "breaks":
            raise IndexError("7")
        return self

    def predict(self, X):
        return np.array([1.0, np.inf])


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("changes", "changed"), ("trace", "state"), ("unclear", "exception"),
        ("breaks", "exception"), ("infinite", "nan"),
    ],
)  # fmt: skip
def test_what_breaks_the_rule_is_found(how, kind):
    case, model = Case(PairedData(20, (2, 2))), Careless()

    def drive():
        case.fit(model, case.X, how)
        case.call(lambda: model.predict(case.X))

    with pytest.raises(Finding) as found:
        drive()
    assert found.value.kind == kind
