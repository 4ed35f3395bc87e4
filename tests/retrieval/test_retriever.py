"""CrossModalRetriever: the likeliest partners, by any index, of any container."""

import pickle

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.frozen import FrozenEstimator
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit
from sklearn.neighbors import KNeighborsTransformer, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

import skalign
from skalign import CrossModalRetriever, NullSpaceAligner, stack_modalities
from skalign.datasets import make_paired_gaussians
from skalign.metrics import mean_reciprocal_rank, recall_at_k
from skalign.retrieval._points import Variates

DATA = make_paired_gaussians(360, n_features=(7, 9), n_latent=5, noise=0.3, random_state=0)
TRAIN, TEST = DATA.X[:240], DATA.X[240:]
NAMES = {"video": slice(0, 7), "imu": slice(7, 16)}
ALIGNER = NullSpaceAligner(modalities=NAMES)
METRICS = ["likelihood", "cosine"]


@pytest.fixture(scope="module", params=METRICS)
def fitted(request):
    return CrossModalRetriever(ALIGNER, metric=request.param).fit(TRAIN)


def without(X, columns, rows=slice(None)):
    """The rows without a modality."""
    X = X.copy()
    X[rows, columns] = np.nan
    return X


def test_likelihood_is_a_ratio_of_gaussian_densities():
    """With a model of full rank: log p(x1, x2) - log p(x1) - log p(x2), by scipy."""
    aligner = NullSpaceAligner(None, modalities=NAMES, shrinkage=None)
    model = CrossModalRetriever(aligner, metric="likelihood", cv=None).fit(TRAIN)
    mean, cov = TRAIN.mean(axis=0), np.cov(TRAIN.T, bias=True)
    X = TEST[:12]
    both = np.hstack([np.repeat(X[:, :7], 12, axis=0), np.tile(X[:, 7:], (12, 1))])
    expected = multivariate_normal(mean, cov).logpdf(both)
    for block in NAMES.values():
        own = multivariate_normal(mean[block], cov[block, block])
        expected = expected - own.logpdf(both[:, block])
    found = model.with_gallery(X).similarity(X)
    np.testing.assert_allclose(found, expected.reshape(12, 12), rtol=1e-6, atol=1e-6)


def test_cosine_is_that_of_weighted_latents():
    """Latents times their correlations, by scikit-learn's cosines."""
    aligner = NullSpaceAligner(4, modalities=NAMES, shrinkage=None)
    model = CrossModalRetriever(aligner, metric="cosine", cv=None).fit(TRAIN)
    first, second = model.aligner_.encoders_
    r = model.aligner_.correlations_
    expected = cosine_similarity(
        first.transform(TEST[:, :7]) * r, second.transform(TEST[:, 7:]) * r
    )
    np.testing.assert_allclose(model.with_gallery(TEST).similarity(TEST), expected, atol=1e-10)


def test_gauge_does_not_matter():
    """Of an orthonormal gauge with all components the likelihood is that of the white one."""
    models = [
        CrossModalRetriever(
            NullSpaceAligner(7, modalities=[7, 7], whiten=whiten, shrinkage=None),
            metric="likelihood",
            cv=None,
        ).fit(TRAIN[:, :14])
        for whiten in (True, False)
    ]
    X = TEST[:, :14]
    found = [model.with_gallery(X).similarity(X) for model in models]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-5)


def test_neighbors_are_the_most_similar(fitted):
    """Neighbours come in the order of `similarity`, and distances tell it."""
    searched = fitted.with_gallery(TEST)
    S = searched.similarity(without(TEST, NAMES["imu"]))
    distances, rows = searched.kneighbors(without(TEST, NAMES["imu"]), n_neighbors=len(TEST))
    np.testing.assert_allclose(np.take_along_axis(S, rows, axis=1), -np.sort(-S, axis=1))
    assert (np.diff(distances, axis=1) >= -1e-9).all()
    alone = searched.kneighbors(TEST, 3, return_distance=False)
    np.testing.assert_array_equal(alone, rows[:, :3])
    if fitted.metric_ == "cosine":
        np.testing.assert_allclose(distances, 1 - np.take_along_axis(S, rows, axis=1), atol=1e-9)
    else:
        own = S + 0.5 * np.take_along_axis(distances, np.argsort(rows, axis=1), axis=1) ** 2
        np.testing.assert_allclose(own, np.repeat(own[:, :1], len(TEST), axis=1), atol=1e-8)


def test_partners_are_found(fitted):
    """Rows that were not seen: far more than chance, and the score is that of the metric."""
    searched = fitted.with_gallery(TEST)
    S = searched.similarity(TEST)
    assert recall_at_k(S, k=1) > 0.5
    assert fitted.score(TEST) == pytest.approx(mean_reciprocal_rank(S))
    assert searched.score(TEST) == fitted.score(TEST)


def test_the_order_of_pairs_does_not_matter(fitted):
    """Folds, choices and neighbours, up to rounding."""
    order = np.random.default_rng(0).permutation(len(TRAIN))
    other = CrossModalRetriever(ALIGNER, metric=fitted.metric_).fit(TRAIN[order])
    np.testing.assert_allclose(other.correlations_, fitted.correlations_, atol=1e-8)
    np.testing.assert_array_equal(order[other.gallery_rows_], np.arange(len(TRAIN))[order])
    S, T = (m.with_gallery(TEST).similarity(TEST) for m in (fitted, other))
    np.testing.assert_allclose(S, T, rtol=1e-6, atol=1e-6)


def test_weights_repeat_rows():
    """A weight of two is the row twice: equal rows stand in one fold."""
    weight = np.random.default_rng(1).integers(0, 3, len(TRAIN))
    weighed = CrossModalRetriever(ALIGNER).fit(TRAIN, sample_weight=weight)
    repeated = CrossModalRetriever(ALIGNER).fit(np.repeat(TRAIN, weight, axis=0))
    assert weighed.aligner_.shrinkage == repeated.aligner_.shrinkage
    assert weighed.metric_ == repeated.metric_
    S, T = (m.with_gallery(TEST).similarity(TEST) for m in (weighed, repeated))
    np.testing.assert_allclose(S, T, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_what_is_held_out_tells_overfitting(seed):
    """Wide blocks, few pairs: correlations of rows not seen, and many more partners found."""
    data = make_paired_gaussians(
        380, n_features=(60, 70), n_latent=6, noise=6.0, random_state=seed
    )
    train, test = data.X[:80], data.X[80:]
    aligner = NullSpaceAligner(None, modalities=[60, 70])
    model = CrossModalRetriever(aligner, metric="likelihood").fit(train)
    plain = CrossModalRetriever(aligner, metric="likelihood", cv=None).fit(train)
    assert model.score(test) > plain.score(test) + 0.05
    Z = [
        e.transform(X)
        for e, X in zip(model.aligner_.encoders_, np.split(test, [60], 1), strict=True)
    ]
    true = [np.corrcoef(a, b)[0, 1] for a, b in zip(*(z.T[:8] for z in Z), strict=True)]
    told, promised = (np.abs(m.correlations_[:8] - true).mean() for m in (model, plain))
    assert told < 0.1
    assert told < promised


def test_exact_partners_are_found_without_noise():
    """Noiseless latents: every partner first, and the margin is large."""
    data = make_paired_gaussians(160, n_features=(6, 8), n_latent=4, noise=0.0, random_state=0)
    aligner = NullSpaceAligner(modalities=[6, 8])
    model = CrossModalRetriever(aligner, metric="likelihood").fit(data.X[:100])
    assert model.score(data.X[100:]) == 1.0
    distances, rows = model.with_gallery(data.X[100:]).kneighbors(data.X[100:], 2)
    np.testing.assert_array_equal(rows[:, 0], np.arange(60))
    assert (distances[:, 1] > 100 * distances[:, 0]).all()


def test_numbering_is_that_of_the_rows_given(fitted):
    """Rows without the gallery's modality count, and are never found."""
    gaps = without(TEST, NAMES["imu"], slice(0, None, 3))
    searched = fitted.with_gallery(gaps)
    np.testing.assert_array_equal(searched.gallery_rows_, np.flatnonzero(np.arange(120) % 3))
    rows = searched.kneighbors(TEST, 4, return_distance=False)
    assert (rows % 3 != 0).all()
    full = fitted.with_gallery(TEST[searched.gallery_rows_])
    again = full.kneighbors(TEST, 4, return_distance=False)
    np.testing.assert_array_equal(rows, searched.gallery_rows_[again])
    assert fitted.score(gaps) == pytest.approx(
        mean_reciprocal_rank(searched.similarity(gaps)[searched.gallery_rows_])
    )


def test_another_gallery_leaves_the_first(fitted):
    """with_gallery neither refits nor changes what it is asked of."""
    before = pickle.dumps(fitted)
    other = fitted.with_gallery(TEST[:30])
    assert pickle.dumps(fitted) == before
    assert other.aligner_ is fitted.aligner_
    assert len(other.gallery_points_) == 30
    check_is_fitted(other)


def test_a_row_of_length_zero():
    """For cosines it is at right angles to every row, be it a query or in the gallery."""
    aligner = NullSpaceAligner(3, modalities=NAMES, center=False)
    model = CrossModalRetriever(aligner, metric="cosine", cv=None).fit(TRAIN)
    X = TEST[:8].copy()
    X[2] = 0.0
    searched = model.with_gallery(X)
    S = searched.similarity(X)
    np.testing.assert_allclose(S[2], 0.0, atol=1e-12)
    np.testing.assert_allclose(S[:, 2], 0.0, atol=1e-12)
    distances, rows = searched.kneighbors(X, 8)
    np.testing.assert_allclose(distances, 1 - np.take_along_axis(S, rows, axis=1), atol=1e-9)


class SparseIndex:
    """An index that gives a sparse graph alone, as approximate ones do."""

    def __init__(self, n_neighbors=6):
        self.n_neighbors = n_neighbors

    def get_params(self, deep=False):
        return {"n_neighbors": self.n_neighbors}

    def fit(self, X):
        self.inner_ = KNeighborsTransformer(n_neighbors=self.n_neighbors).fit(X)
        return self

    def transform(self, X):
        return self.inner_.transform(X)[:, ::1]


@pytest.mark.parametrize(
    "index",
    [
        NearestNeighbors(algorithm="brute"),
        NearestNeighbors(metric="euclidean", algorithm="ball_tree"),
        KNeighborsTransformer(n_neighbors=2),
        SparseIndex(),
    ],
    ids=lambda index: type(index).__name__,
)
def test_any_index(fitted, index):
    """What has fit and kneighbors, or a sparse graph of neighbours, finds the same."""
    expected = fitted.with_gallery(TEST).kneighbors(TEST)
    model = CrossModalRetriever(ALIGNER, metric=fitted.metric_, neighbors=index).fit(TRAIN)
    distances, rows = model.with_gallery(TEST).kneighbors(TEST)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_allclose(distances, expected[0], rtol=1e-5, atol=1e-7)


def test_an_index_that_finds_too_few():
    """A sparse graph has only so many neighbours a row."""
    model = CrossModalRetriever(ALIGNER, neighbors=SparseIndex(2)).fit(TRAIN)
    with pytest.raises(ValueError, match="SparseIndex gives 3 neighbours a row: set more"):
        model.kneighbors(TEST)


def test_a_frozen_aligner_is_used_as_it_is():
    """No pair is needed, and nothing is learned."""
    aligner = NullSpaceAligner(3, modalities=NAMES).fit(TRAIN)
    gallery = without(TEST, NAMES["video"])
    model = CrossModalRetriever(FrozenEstimator(aligner)).fit(gallery)
    np.testing.assert_allclose(model.correlations_, aligner.correlations_, atol=1e-9)
    assert model.metric_ == "likelihood"
    rows = model.kneighbors(without(TEST, NAMES["imu"]), 1, return_distance=False)
    assert np.mean(rows[:, 0] == np.arange(120)) > 0.3
    with pytest.raises(ValueError, match="fitted on 16 features, X has 15"):
        CrossModalRetriever(FrozenEstimator(aligner)).fit(TRAIN[:, :15])


def test_either_way_and_three_modalities():
    """Query and gallery may be any two modalities, by position or name."""
    data = make_paired_gaussians(300, n_features=(5, 6, 7), n_latent=4, noise=0.3, random_state=1)
    named = {"a": slice(0, 5), "b": slice(5, 11), "c": slice(11, 18)}
    for query, gallery in (("c", "a"), (1, -1), ("b", 0)):
        model = CrossModalRetriever(
            NullSpaceAligner(modalities=named, random_state=0), query=query, gallery=gallery
        )
        assert model.fit(data.X[:200]).score(data.X[200:]) > 0.3


def test_a_chain_of_pairs():
    """Query and gallery that never met in training, by a third modality that met both."""
    data = make_paired_gaussians(400, n_features=(5, 6, 7), n_latent=4, noise=0.1, random_state=2)
    train, test = data.X[:300].copy(), data.X[300:]
    train[:150, 11:] = np.nan
    train[150:, :5] = np.nan
    aligner = NullSpaceAligner(modalities=[5, 6, 7], random_state=0)
    model = CrossModalRetriever(aligner, gallery=2).fit(train)
    assert model.score(test) > 0.5
    np.testing.assert_array_equal(model.gallery_rows_, np.arange(150, 300))


def test_folds_of_any_kind():
    """Splitters and lists of rows hold out what they say; rows without a partner are no matter."""
    X = without(TRAIN, NAMES["imu"], slice(0, 40))
    groups = np.arange(len(X)) % 7
    for cv in (3, ShuffleSplit(3, random_state=0), list(GroupKFold(3).split(X, groups=groups))):
        model = CrossModalRetriever(ALIGNER, cv=cv, metric="likelihood").fit(X)
        assert model.score(TEST) > 0.5
        assert len(model.gallery_rows_) == 200


def test_few_pairs_are_not_held_out():
    """Fewer than twice as many as folds: the aligner's own correlations."""
    aligner = NullSpaceAligner(1, modalities=NAMES)
    model = CrossModalRetriever(aligner).fit(TRAIN[:9])
    np.testing.assert_allclose(model.correlations_, model.aligner_.correlations_, atol=1e-9)


def test_grid_search_in_a_pipeline():
    """The score is that of scikit-learn's searches, unmodified."""
    pipeline = make_pipeline(StandardScaler(), CrossModalRetriever(ALIGNER))
    grid = {
        "crossmodalretriever__metric": ["likelihood", "cosine"],
        "crossmodalretriever__aligner__shrinkage": [0.9, "auto"],
    }
    search = GridSearchCV(pipeline, grid, cv=3).fit(TRAIN)
    assert search.best_params_["crossmodalretriever__aligner__shrinkage"] == "auto"
    assert search.score(TEST) > 0.5


def test_unrelated_modalities_are_told():
    """Nothing shared: a warning, and about chance."""
    X = np.random.default_rng(0).normal(size=(200, 16))
    with pytest.warns(UserWarning, match="share nothing beyond chance on 200 pairs"):
        model = CrossModalRetriever(ALIGNER).fit(X)
    new = np.random.default_rng(1).normal(size=(200, 16))
    assert model.score(new) < 3 * np.mean(1 / np.arange(1, 201))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library):
    """Names are kept and checked."""
    frames = pytest.importorskip(library)
    names = [f"v{j}" for j in range(7)] + [f"i{j}" for j in range(9)]

    def frame(X):
        if library == "pandas":
            return frames.DataFrame(X, columns=names)
        return frames.DataFrame(X, schema=names, orient="row")

    aligner = NullSpaceAligner(modalities={"video": names[:7], "imu": names[7:]})
    model = CrossModalRetriever(aligner, query="video", gallery="imu").fit(frame(TRAIN))
    plain = CrossModalRetriever(ALIGNER).fit(TRAIN)
    assert list(model.feature_names_in_) == names
    np.testing.assert_allclose(model.similarity(frame(TEST)), plain.similarity(TEST))
    assert model.score(frame(TEST)) == pytest.approx(plain.score(TEST))
    with pytest.raises(ValueError, match="feature names should match"):
        model.kneighbors(frame(TEST)[names[::-1]])


def test_dask_is_as_in_memory():
    """Queries are lazy; fits, galleries and scores read chunk by chunk."""
    da = pytest.importorskip("dask.array")
    plain = CrossModalRetriever(ALIGNER).fit(TRAIN)
    model = CrossModalRetriever(ALIGNER).fit(da.from_array(TRAIN, chunks=(50, 16)))
    X = da.from_array(TEST, chunks=(45, 16))
    np.testing.assert_allclose(model.correlations_, plain.correlations_, atol=1e-8)
    distances, rows = model.kneighbors(X, 3)
    assert hasattr(distances, "compute") and hasattr(rows, "compute")
    expected = plain.kneighbors(TEST, 3)
    np.testing.assert_array_equal(rows.compute(), expected[1])
    np.testing.assert_allclose(distances.compute(), expected[0], rtol=1e-5)
    np.testing.assert_allclose(model.similarity(X).compute(), plain.similarity(TEST), rtol=1e-5)
    assert model.score(X) == pytest.approx(plain.score(TEST))
    np.testing.assert_array_equal(model.with_gallery(X).gallery_rows_, np.arange(120))
    with pytest.raises(ValueError, match="cv must be a number of folds, or None"):
        CrossModalRetriever(ALIGNER, cv=ShuffleSplit(2)).fit(X)


def test_files(fitted):
    """Pickles answer alike; skops needs our public names, and those of the index."""
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.kneighbors(TEST)[1], fitted.kneighbors(TEST)[1])
    io = pytest.importorskip("skops.io")
    data = io.dumps(fitted)
    untrusted = io.get_untrusted_types(data=data)
    ours = [f"skalign.{name}" for name in skalign.__all__]
    assert {name for name in untrusted if not name.startswith("sklearn.")} <= set(ours)
    again = io.loads(data, trusted=untrusted)
    np.testing.assert_array_equal(again.kneighbors(TEST)[1], fitted.kneighbors(TEST)[1])


def test_single_precision(fitted):
    """float32 rows find what float64 rows find."""
    single = TEST.astype(np.float32)
    searched = fitted.with_gallery(single)
    rows = searched.kneighbors(single, 1, return_distance=False)
    expected = fitted.with_gallery(TEST).kneighbors(TEST, 1, return_distance=False)
    assert np.mean(rows == expected) > 0.98


BAD_FIT = {
    "query='radar' is no modality": {"query": "radar"},
    "gallery=5 is no modality": {"gallery": 5},
    "query='imu' and gallery=1 are one modality": {"query": "imu"},
    "metric='euclid' must be one of": {"metric": "euclid"},
    "cv=1 must be an integer >= 2": {"cv": 1},
    "cv=0.5 must be a number of folds": {"cv": 0.5},
    "neighbors=3 must be an estimator with fit and kneighbors": {"neighbors": 3},
    "neighbors has metric='cosine'": {"neighbors": NearestNeighbors(metric="cosine")},
    "p=1: it must be Euclidean": {"neighbors": NearestNeighbors(p=1)},
    "aligner=StandardScaler.. must be a NullSpaceAligner": {"aligner": StandardScaler()},
}


@pytest.mark.parametrize("message", BAD_FIT)
def test_bad_parameters(message):
    """The message names the parameter, and a failed fit loses nothing."""
    model = CrossModalRetriever(ALIGNER).fit(TRAIN)
    before = model.similarity(TEST)
    model.set_params(**BAD_FIT[message])
    with pytest.raises(ValueError, match=message):
        model.fit(TRAIN)
    np.testing.assert_array_equal(model.similarity(TEST), before)


def test_bad_rows(fitted):
    """The message names the row and the modality."""
    with pytest.raises(
        ValueError, match=r"n_neighbors=241 is larger than the gallery.*240.*'imu'"
    ):
        fitted.kneighbors(TEST, 241)
    with pytest.raises(ValueError, match="n_neighbors=0 must be an integer >= 1"):
        fitted.kneighbors(TEST, 0)
    for method in (fitted.kneighbors, fitted.similarity):
        with pytest.raises(ValueError, match="row 7 lacks the modality 'video'"):
            method(without(TEST, NAMES["video"], 7))
    with pytest.raises(ValueError, match="gallery is empty: no row of X has modality 'imu'"):
        fitted.with_gallery(without(TEST, NAMES["imu"]))
    with pytest.raises(ValueError, match="X has no pairs: no row has both 'video' and 'imu'"):
        fitted.score(without(TEST, NAMES["imu"]))
    with pytest.raises(ValueError, match="NaN in part of a block: modality 'imu', row 4"):
        fitted.kneighbors(without(TEST, 8, 4))
    with pytest.raises(ValueError, match="expecting 16 features") as caught:
        fitted.kneighbors(TEST[:, :7])
    assert "skalign.stack_modalities" in "".join(caught.value.__notes__)
    rows = stack_modalities(TEST[:, :7], None, widths=(7, 9))
    np.testing.assert_array_equal(fitted.kneighbors(rows)[1], fitted.kneighbors(TEST)[1])


@pytest.mark.parametrize("metric", ["likelihood", "cosine"])
def test_a_query_whose_latents_do_not_vary_finds_all_alike(metric):
    """Nothing is shared then, and no component is left that is worth anything."""
    variates = Variates.of([np.ones((1, 2)), np.ones((1, 3))], np.diag([0.0, 1.0]), (0, 1))
    assert variates.gap.tolist() == [1.0]
    assert [coef.shape for coef in variates.coefs] == [(1, 2), (1, 3)]
    assert np.isfinite(variates.scales(metric)).all()
