"""Classes by prototypes of another modality."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skalign
from skalign import NullSpaceAligner, ZeroShotClassifier
from skalign.datasets import make_paired_gaussians
from skalign.model_selection import TransferSplit

WIDTHS = [8, 9]
DATA = make_paired_gaussians(
    900, n_features=(8, 9), n_latent=5, n_classes=8, noise=0.3, random_state=0
)
SEEN, UNSEEN = np.arange(4), np.arange(4, 8)


def without(X, m):
    """Rows that lack a modality."""
    X = np.array(X)
    X[:, slice(0, 8) if m == 0 else slice(8, 17)] = np.nan
    return X


def rows_of(classes, n, start=300):
    """So many rows of each class, none of which are among the first 300."""
    return np.concatenate([start + np.flatnonzero(DATA.y[start:600] == c)[:n] for c in classes])


PAIRS = DATA.X[:300][np.isin(DATA.y[:300], SEEN)]
QUERIES, TRUTH = without(DATA.X[600:], 0), DATA.y[600:]


def aligner():
    return NullSpaceAligner(None, modalities=WIDTHS)


def training(n=3):
    """Pairs of seen classes without a label, and prototypes of these classes."""
    rows = rows_of(SEEN, n)
    X = np.vstack([PAIRS, without(DATA.X[rows], 1)])
    return X, np.r_[np.full(len(PAIRS), -1), DATA.y[rows]]


def fitted(n=3, **options):
    return ZeroShotClassifier(aligner(), **options).fit(*training(n))


def test_unseen_classes_are_told():
    """One prototype each, of classes that neither pairs nor target rows have shown."""
    model = fitted(1)
    assert model.classes_.tolist() == [0, 1, 2, 3]
    rows = rows_of(UNSEEN, 1)
    assert model.add_classes(without(DATA.X[rows], 1), DATA.y[rows]) is model
    assert model.classes_.tolist() == list(range(8))
    assert model.score(QUERIES, TRUTH) > 0.8
    several = rows_of(range(8), 20)
    model.add_classes(without(DATA.X[several], 1), DATA.y[several])
    assert model.score(QUERIES, TRUTH) > 0.9
    assert model.prototypes_.shape == (4 + 4 + 160, model.aligner_.n_components_)


def test_adding_leaves_the_space_and_is_as_fitting_all_with_it():
    """Prototypes at once or one after the other: the same classifier, in the same space."""
    rows = rows_of(range(8), 4)
    X, y = without(DATA.X[rows], 1), DATA.y[rows]
    known = aligner().fit(PAIRS)
    once = ZeroShotClassifier(FrozenEstimator(known)).fit(X, y)  # no pairs are needed
    assert once.aligner_ is known
    first = y < 4
    model = ZeroShotClassifier(FrozenEstimator(known)).fit(X[first], y[first])
    before, kept = known.encoders_[1].coef_.copy(), copy.deepcopy(model)
    later = np.flatnonzero(~first)[::-1]
    for part in np.array_split(later, 3):
        model.add_classes(X[part], y[part])
    np.testing.assert_array_equal(model.aligner_.encoders_[1].coef_, before)
    np.testing.assert_allclose(
        model.predict_proba(QUERIES), once.predict_proba(QUERIES), atol=1e-6
    )
    assert kept.classes_.tolist() == [0, 1, 2, 3]
    assert model.concentration_ == pytest.approx(once.concentration_, rel=1e-4)


def test_labelled_pairs_are_pairs_and_prototypes():
    """Nothing of them is ignored."""
    model = ZeroShotClassifier(aligner()).fit(DATA.X[:300], DATA.y[:300])
    assert model.aligner_.n_pairs_ == 300
    assert len(model.prototypes_) == 300
    apart = ZeroShotClassifier(FrozenEstimator(aligner().fit(DATA.X[:300])))
    apart.fit(without(DATA.X[:300], 1), DATA.y[:300])
    np.testing.assert_allclose(apart.predict_proba(QUERIES), model.predict_proba(QUERIES))


def test_weights_are_repeated_rows():
    """Of pairs and of prototypes; zero leaves a row out, and a class with it."""
    X, y = training()
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    weights[y == 3] = 0
    model = ZeroShotClassifier(aligner()).fit(X, y, sample_weight=weights)
    again = ZeroShotClassifier(aligner()).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert model.classes_.tolist() == [0, 1, 2]
    rows = rows_of(UNSEEN, 3)
    new, labels = without(DATA.X[rows], 1), DATA.y[rows]
    counts = np.tile([0, 1, 2], 4)
    model.add_classes(new, labels, sample_weight=counts)
    again.add_classes(np.repeat(new, counts, axis=0), np.repeat(labels, counts))
    np.testing.assert_allclose(
        model.predict_proba(QUERIES), again.predict_proba(QUERIES), atol=1e-6
    )


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000))
def test_order_and_units_do_not_matter(seed):
    """Rows in any order, features under any affine map of their modality: the same classes."""
    rng = np.random.default_rng(seed)
    X, y = training()
    order = rng.permutation(len(y))
    plain = NullSpaceAligner(None, modalities=WIDTHS, shrinkage=None)
    model = ZeroShotClassifier(plain).fit(X, y)
    maps = [rng.normal(size=(d, d)) + 3 * np.eye(d) for d in WIDTHS]

    def mapped(X):
        return np.hstack([X[:, :8] @ maps[0] + 1, X[:, 8:] @ maps[1] - 2])

    again = ZeroShotClassifier(plain).fit(mapped(X)[order], y[order])
    np.testing.assert_allclose(
        again.predict_proba(mapped(QUERIES)), model.predict_proba(QUERIES), atol=1e-4
    )


def test_the_gauge_does_not_matter():
    """Latents of unit variance or not: the model of the pairs is the same."""
    X, y = training()
    proba = [
        ZeroShotClassifier(
            NullSpaceAligner(None, modalities=[8, 8], whiten=whiten, shrinkage=None)
        )
        .fit(X[:, :16], y)
        .predict_proba(QUERIES[:, :16])
        for whiten in (True, False)
    ]
    np.testing.assert_allclose(proba[0], proba[1], atol=1e-3)


def test_named_modalities_either_way_and_a_third_one():
    """Source and target by name, in any order, among three modalities."""
    data = make_paired_gaussians(
        600, n_features=(6, 5, 7), n_latent=4, n_classes=5, noise=0.3, random_state=1
    )
    X, y = data.X.copy(), np.where(np.arange(600) < 250, -1, data.y)
    X[250:400, :11] = np.nan  # prototypes: the third alone
    names = {"a": slice(0, 6), "b": slice(6, 11), "c": slice(11, 18)}
    model = ZeroShotClassifier(
        NullSpaceAligner(None, modalities=names), source="c", target="a"
    ).fit(X[:400], y[:400])
    assert (model.source_, model.target_) == (2, 0)
    queries = X[400:].copy()
    queries[:, 6:] = np.nan
    assert model.score(queries, y[400:]) > 0.85


def test_shares_move_decisions():
    """A class prior multiplies the odds; a class without a share is never predicted."""
    rows = rows_of(UNSEEN, 3)
    X, y = without(DATA.X[rows], 1), DATA.y[rows]
    even = fitted().add_classes(X, y)
    share = dict.fromkeys(range(8), 1.0) | {0: 3.0, 7: 0.0}
    model = fitted(class_prior=share).add_classes(X, y)
    np.testing.assert_allclose(model.class_prior_, np.array([3, 1, 1, 1, 1, 1, 1, 0]) / 9)
    proba, before = model.predict_proba(QUERIES), even.predict_proba(QUERIES)
    np.testing.assert_allclose(
        proba[:, 0] * before[:, 1], 3 * before[:, 0] * proba[:, 1], atol=1e-12
    )
    assert not proba[:, 7].any()
    assert (model.predict_log_proba(QUERIES)[:, 7] == -np.inf).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_probabilities_say_how_often_they_are_right():
    """With several prototypes a class the mean of the largest is about the accuracy."""
    hard = make_paired_gaussians(
        1500, n_features=(8, 9), n_latent=5, n_classes=8, noise=6.0, random_state=3
    )
    y = np.where(np.arange(1500) < 400, -1, hard.y)
    model = ZeroShotClassifier(aligner()).fit(hard.X[:700], y[:700])
    proba = model.predict_proba(without(hard.X[700:], 0))
    right = np.mean(model.classes_[proba.argmax(axis=1)] == y[700:])
    assert abs(proba.max(axis=1).mean() - right) < 0.1
    assert 0.3 < right < 0.95


def test_rows_without_the_target_get_the_prior():
    """And a warning counts them."""
    model = fitted(class_prior={0: 4, 1: 3, 2: 2, 3: 1})
    X = QUERIES[:3].copy()
    X[1] = without(DATA.X[601:602], 1)
    with pytest.warns(UserWarning, match="1 of 3 rows lack the target 'modality1', the first is"):
        proba = model.predict_proba(X)
    np.testing.assert_allclose(proba[1], [0.4, 0.3, 0.2, 0.1])
    np.testing.assert_array_equal(proba[[0, 2]], model.predict_proba(QUERIES[[0, 2]]))
    with pytest.warns(UserWarning, match="3 of 3 rows lack"):
        assert model.predict(without(DATA.X[:3], 1)).tolist() == [0, 0, 0]


def test_nothing_shared_says_so():
    """Mixed-up pairs: a warning, and the prior."""
    X, y = training()
    X[: len(PAIRS), 8:] = np.random.default_rng(0).permutation(X[: len(PAIRS), 8:])
    model = ZeroShotClassifier(NullSpaceAligner(modalities=WIDTHS))
    with pytest.warns(UserWarning, match="Pairs share nothing beyond chance"):
        model.fit(X, y)
    assert model.concentration_ == 0
    np.testing.assert_allclose(model.predict_proba(QUERIES), 0.25)


def test_labels_of_the_target_are_not_used_but_told():
    """Zero-shot stays zero-shot; the rows help the aligner."""
    X, y = training()
    more = np.vstack([X, QUERIES[:5]])
    model = ZeroShotClassifier(aligner())
    with pytest.warns(UserWarning, match=r"labels of 5 rows .* 'modality0' are not used"):
        model.fit(more, np.r_[y, TRUTH[:5]])
    unlabelled = fitted().fit(more, np.r_[y, [-1] * 5])
    np.testing.assert_array_equal(model.predict_proba(QUERIES), unlabelled.predict_proba(QUERIES))


def test_words_are_labels():
    """Classes by name; names and numbers together are refused, and nothing is lost."""
    X, y = training()
    names = np.array(["ant", "bee", "cat", "dog"])
    words = np.where(y < 0, None, names[np.maximum(y, 0)])
    model = ZeroShotClassifier(aligner(), class_prior=None).fit(X, words)
    assert model.classes_.tolist() == names.tolist()
    rows = rows_of(UNSEEN, 2)
    new = without(DATA.X[rows], 1)
    with pytest.raises(ValueError, match="mixes labels of types"):
        model.add_classes(new, DATA.y[rows])
    assert model.classes_.tolist() == names.tolist()
    model.add_classes(
        new, np.array(["eel", "fox", "goat", "a much longer name"])[DATA.y[rows] - 4]
    )
    assert "a much longer name" in model.predict(QUERIES)
    numbers = fitted().add_classes(new, DATA.y[rows]).predict(QUERIES)
    back = np.array([*names, "eel", "fox", "goat", "a much longer name"])[numbers]
    assert (model.predict(QUERIES) == back).all()


def test_what_cannot_be_is_refused():
    """Messages name modality, class, row or parameter."""
    X, y = training()
    model, sources = ZeroShotClassifier(aligner()), y >= 0
    with pytest.raises(ValueError, match="no pairs: no row has both the source 'modality0'"):
        model.fit(X[sources], y[sources])
    with pytest.raises(ValueError, match="no prototypes: no labelled row has the source"):
        model.fit(X, np.full(len(y), -1))
    with pytest.raises(ValueError, match="y is None"):
        model.fit(X, None)
    twice = np.vstack([X, X[-1:]])
    with pytest.raises(ValueError, match=r"classes 3 and 9 are alike .*prototypes"):
        fitted(1).add_classes(*(part[-1:] for part in (training(1)[0], np.array([9]))))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(twice, y)
    with pytest.raises(ValueError, match="aligner=StandardScaler"):
        ZeroShotClassifier(StandardScaler()).fit(X, y)
    with pytest.raises(ValueError, match="are one modality"):
        ZeroShotClassifier(aligner(), target=0).fit(X, y)
    with pytest.raises(ValueError, match="aligner was fitted on 17 features, X has 16"):
        ZeroShotClassifier(FrozenEstimator(aligner().fit(PAIRS))).fit(X[:, :16], y)
    model = fitted()
    proba = model.predict_proba(QUERIES)
    rows = without(DATA.X[rows_of(UNSEEN, 1)], 1)
    wrong = rows.copy()
    wrong[2] = QUERIES[0]
    with pytest.raises(ValueError, match="row 2 lacks the source 'modality0'"):
        model.add_classes(wrong, UNSEEN)
    with pytest.raises(ValueError, match="no label for row 1"):
        model.add_classes(rows, [4, -1, 6, 7])
    with pytest.raises(ValueError, match="expecting 17 features"):
        model.add_classes(rows[:, :16], UNSEEN)
    np.testing.assert_array_equal(model.predict_proba(QUERIES), proba)


@pytest.mark.parametrize(
    ("share", "message"),
    [
        ([1, 1, 1, 1], "must be None or a mapping"),
        ({0: 1, 1: 1, 2: 1}, "no share of the class 3"),
        ({0: 1, 1: 1, 2: 1, 3: -1}, r"class_prior\[3\]=-1 must be a share"),
        (dict.fromkeys(range(4), 0), "gives no class a share"),
    ],
)
def test_shares_that_are_none(share, message):
    """Each wrong class_prior by what is wrong with it."""
    with pytest.raises(ValueError, match=message):
        fitted(class_prior=share)


def test_selection_and_cross_validation():
    """In a pipeline, a grid search and folds that test labelled pairs."""
    X, y = DATA.X[:400].copy(), DATA.y[:400].copy()
    y[::3] = -1
    model = make_pipeline(StandardScaler(), ZeroShotClassifier(aligner()))
    cv = TransferSplit(modalities=WIDTHS)
    assert cross_val_score(model, X, y, cv=cv).min() > 0.8
    name = "zeroshotclassifier__aligner__n_components"
    grid = GridSearchCV(model, {name: [1, 5]}, cv=cv).fit(X, y)
    assert grid.best_params_ == {name: 5}


@pytest.mark.parametrize("frame", ["pandas", "polars"])
def test_frames(frame):
    """Columns by name, of pandas and polars."""
    library = pytest.importorskip(frame)
    names = [f"a{j}" for j in range(8)] + [f"b{j}" for j in range(9)]

    def table(X):
        if frame == "pandas":
            return library.DataFrame(X, columns=names)
        return library.DataFrame(X, schema=names, orient="row")

    X, y = training()
    named = NullSpaceAligner(None, modalities={"a": names[:8], "b": names[8:]})
    model = ZeroShotClassifier(named, source="a", target="b").fit(table(X), y)
    rows = rows_of(UNSEEN, 2)
    new = without(DATA.X[rows], 1)
    proba = model.add_classes(table(new), DATA.y[rows]).predict_proba(table(QUERIES))
    plain = fitted().add_classes(new, DATA.y[rows])
    np.testing.assert_allclose(proba, plain.predict_proba(QUERIES))
    assert list(model.feature_names_in_) == names


def test_dask():
    """Chunks of any size, in fit, in more classes and in predictions."""
    da = pytest.importorskip("dask.array")
    X, y = training()
    model = ZeroShotClassifier(aligner()).fit(
        da.from_array(X, chunks=(50, 17)), da.from_array(y, chunks=50)
    )
    rows = rows_of(UNSEEN, 2)
    new = without(DATA.X[rows], 1)
    model.add_classes(da.from_array(new, chunks=(3, 17)), da.from_array(DATA.y[rows], chunks=3))
    plain = fitted().add_classes(new, DATA.y[rows])
    proba = model.predict_proba(da.from_array(QUERIES, chunks=(100, 17)))
    assert proba.chunks[1] == (8,)
    np.testing.assert_allclose(proba.compute(), plain.predict_proba(QUERIES), atol=1e-6)
    found = model.predict(da.from_array(QUERIES, chunks=(100, 17))).compute()
    assert (found == plain.predict(QUERIES)).mean() > 0.99


def test_metadata_routing():
    """Weights reach prototypes by a request, and the aligner by its own."""
    X, y = training()
    weights = np.tile([1, 2], len(y))[: len(y)]
    direct = fitted().fit(X, y, sample_weight=weights).predict_proba(QUERIES)
    with config_context(enable_metadata_routing=True):
        asking = aligner().set_fit_request(sample_weight=True)
        model = ZeroShotClassifier(asking).fit(X, y, sample_weight=weights)
        np.testing.assert_array_equal(model.predict_proba(QUERIES), direct)
        model = ZeroShotClassifier(aligner().set_fit_request(sample_weight=False))
        model.fit(X, y, sample_weight=weights)
        assert model.aligner_.n_pairs_ == len(PAIRS)
        np.testing.assert_array_equal(model.prototype_weights_, weights[y >= 0])
        assert np.abs(model.predict_proba(QUERIES) - direct).max() > 1e-6
        half = X[:, :16]
        default = ZeroShotClassifier().fit(half, y, sample_weight=weights)
        assert default.n_features_in_ == 16


def test_single_precision():
    """The classes of single-precision rows are those of double-precision ones."""
    X, y = training()
    model = ZeroShotClassifier(aligner()).fit(X.astype(np.float32), y)
    np.testing.assert_allclose(
        model.predict_proba(QUERIES.astype(np.float32)), fitted().predict_proba(QUERIES), atol=1e-3
    )


def test_files():
    """What is kept is public: skops reads it with the names of the package alone."""
    io = pytest.importorskip("skops.io")
    model = fitted()
    data = io.dumps(model)
    untrusted = io.get_untrusted_types(data=data)
    assert set(untrusted) <= {f"skalign.{name}" for name in skalign.__all__}
    for again in (io.loads(data, trusted=untrusted), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict_proba(QUERIES), model.predict_proba(QUERIES))
        rows = rows_of(UNSEEN, 1)
        again.add_classes(without(DATA.X[rows], 1), DATA.y[rows])
        assert len(again.classes_) == 8
