"""CrossModalTransferClassifier on data that it was made for."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skalign import CrossModalTransferClassifier, NullSpaceAligner, stack_modalities
from skalign.datasets import make_paired_gaussians
from skalign.transfer._source import held_out_power

WIDTHS = [6, 9]


def aligner(**options):
    return NullSpaceAligner(modalities=WIDTHS, **options)


@pytest.fixture(scope="module")
def data():
    """Labelled rows (source only), pairs without label, test rows (target only)."""
    pairs = make_paired_gaussians(
        900, n_features=WIDTHS, n_latent=3, n_classes=3, noise=2.0, random_state=5
    )
    X, y = pairs.X.copy(), pairs.y.copy()
    X[:300, 6:] = np.nan
    y[300:] = -1
    X[600:, :6] = np.nan
    return {"X": X[:600], "y": y[:600], "X_test": X[600:], "y_test": pairs.y[600:], "all": pairs}


def test_labels_cross_without_one_in_the_target(data):
    """As good as a supervised classifier of the target, within a few points."""
    model = CrossModalTransferClassifier(aligner=aligner()).fit(data["X"], data["y"])
    pairs = data["all"]
    supervised = LinearDiscriminantAnalysis().fit(pairs.X[300:600, 6:], pairs.y[300:600])
    ceiling = supervised.score(pairs.X[600:, 6:], data["y_test"])
    assert model.score(data["X_test"], data["y_test"]) >= ceiling - 0.03
    assert model.estimator_.n_features_in_ == 6
    np.testing.assert_allclose(model.class_prior_.sum(), 1)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        copy.predict_proba(data["X_test"]), model.predict_proba(data["X_test"])
    )


def test_five_minutes_on_real_data():
    """Halves of digits: labels on the left, predictions on the right."""
    digits = load_digits()
    images = digits.images
    left, right = images[:, :, :4].reshape(-1, 32), images[:, :, 4:].reshape(-1, 32)
    X = np.vstack(
        [
            stack_modalities(left[:600], None, widths=(32, 32)),
            stack_modalities(left[600:1200], right[600:1200]),
        ]
    )
    y = np.concatenate([digits.target[:600], np.full(600, -1)])
    model = make_pipeline(
        StandardScaler(),
        CrossModalTransferClassifier(
            LogisticRegression(C=0.3, max_iter=1000), aligner=NullSpaceAligner(modalities=[32, 32])
        ),
    ).fit(X, y)
    test = stack_modalities(None, right[1200:], widths=(32, 32))
    assert model.score(test, digits.target[1200:]) > 0.7


@pytest.mark.parametrize(
    "mixture",
    [
        GaussianMixture(3, random_state=0),
        GaussianMixture(5, covariance_type="tied", random_state=0),
        GaussianMixture(4, covariance_type="diag", random_state=0),
        BayesianGaussianMixture(n_components=5, random_state=0, max_iter=500),
    ],
    ids=str,
)
def test_any_mixture_of_sklearn(data, mixture):
    """Components get classes by the source's posterior."""
    model = CrossModalTransferClassifier(aligner=aligner(n_components=3), mixture=mixture)
    model.fit(data["X"], data["y"])
    assert model.score(data["X_test"], data["y_test"]) > 0.9
    assert type(model.mixture_) is type(mixture)
    assert model.mixture_ is not mixture
    assert model.mixture_.means_.shape == (mixture.n_components, model.aligner_.n_components_)
    np.testing.assert_allclose(
        model.mixture_.predict_proba(model.aligner_.transform(data["all"].X)).sum(axis=1), 1
    )
    assert model.component_class_proba_.shape == (mixture.n_components, 3)
    assert hasattr(model.set_params(mixture=None).fit(data["X"], data["y"]), "agreement_")
    assert not hasattr(model, "mixture_")
    assert not hasattr(model, "component_class_proba_")
    model.set_params(mixture=mixture).fit(data["X"], data["y"])
    assert not hasattr(model, "agreement_")
    np.testing.assert_allclose(model.component_class_proba_.sum(axis=1), 1)


def test_no_mixture_is_left_where_none_predicts(data):
    """Pairs that share nothing leave the class prior, and no components beside it."""
    X = data["X"].copy()
    X[300:, 6:] = np.random.default_rng(0).permutation(X[300:, 6:])
    model = CrossModalTransferClassifier(
        aligner=aligner(), mixture=GaussianMixture(3, random_state=0)
    )
    model.fit(data["X"], data["y"])
    with pytest.warns(UserWarning, match="share nothing beyond chance"):
        model.fit(X, data["y"])
    assert not hasattr(model, "mixture_")
    assert not hasattr(model, "component_class_proba_")
    proba = model.predict_proba(data["X_test"])
    np.testing.assert_allclose(proba, np.tile(model.class_prior_, (len(proba), 1)))


@pytest.mark.parametrize("target_space", ["whole", "aligned"])
def test_the_aligned_span_is_all_that_is_looked_at(data, target_space):
    """Moving a target along directions that the aligner leaves out changes no prediction."""
    model = CrossModalTransferClassifier(
        aligner=aligner(n_components=2), target_space=target_space
    ).fit(data["X"], data["y"])
    coef, target = model.aligner_.encoders_[1].coef_, data["X_test"][:, 6:]
    left_out = np.linalg.svd(coef)[2][2:]
    moves = np.random.default_rng(0).normal(size=(len(target), 7)) * target.std(axis=0)[:7]
    moved = target + moves @ left_out
    proba = model.target_classifier_.predict_proba(target)
    change = np.abs(model.target_classifier_.predict_proba(moved) - proba).max()
    if target_space == "aligned":
        assert change < 1e-6
    else:
        assert change > 0.1
    with pytest.raises(ValueError, match="target_space='shared' must be one of"):
        model.set_params(target_space="shared").fit(data["X"], data["y"])


@pytest.mark.parametrize(
    "coding",
    [
        lambda y: np.where(y < 0, None, np.array(["a", "b", "c"], dtype=object)[y]),
        lambda y: np.where(y < 0, np.nan, np.array(["a", "b", "c"], dtype=object)[y]),
        lambda y: np.array([str(v) for v in y]),
        lambda y: np.array(y.tolist(), dtype=object),
        lambda y: y.astype(float),
        lambda y: np.where(y < 0, y, y + 10),
    ],
    ids=["None", "NaN", "strings", "objects", "floats", "shifted"],
)
def test_codings_of_labels(data, coding):
    """Classes come back as they were given, predictions do not depend on their names."""
    y = coding(data["y"])
    plain = CrossModalTransferClassifier(aligner=aligner()).fit(data["X"], data["y"])
    model = CrossModalTransferClassifier(aligner=aligner()).fit(data["X"], y)
    labels = [y[np.flatnonzero(data["y"] == c)[0]] for c in range(3)]
    assert list(model.classes_) == labels
    np.testing.assert_allclose(
        model.predict_proba(data["X_test"]), plain.predict_proba(data["X_test"]), atol=1e-9
    )
    expected = np.array(labels, dtype=object)[plain.predict(data["X_test"])]
    assert list(model.predict(data["X_test"])) == list(expected)


def test_minus_one_and_one_are_binary_labels(data):
    """The usual coding of two classes is not taken for missing labels."""
    pairs = data["all"]
    y = np.where(pairs.y == 0, -1, 1)
    model = CrossModalTransferClassifier(aligner=aligner()).fit(pairs.X, y)
    assert list(model.classes_) == [-1, 1]
    assert model.score(pairs.X, y) > 0.9


def test_frozen_estimators_are_used_as_they_are(data):
    """A deployed classifier and a deployed aligner; then no label is needed."""
    pairs = data["all"]
    deployed = GaussianNB().fit(pairs.X[:300, :6], pairs.y[:300])
    space = aligner(n_components=3).fit(pairs.X[300:600])
    model = CrossModalTransferClassifier(
        FrozenEstimator(deployed), aligner=FrozenEstimator(space)
    ).fit(pairs.X[300:600], np.full(300, -1))
    assert model.score(data["X_test"], data["y_test"]) > 0.9
    np.testing.assert_array_equal(model.estimator_.theta_, deployed.theta_)
    assert model.aligner_ is space
    assert clone(model).fit(pairs.X[300:600], np.full(300, -1)).aligner_ is space


def test_classes_that_the_labelled_rows_lack(data):
    """Known from rows without the source, or from a frozen estimator: kept in ``classes_``."""
    X, y = data["X"].copy(), data["y"].copy()
    extra = np.full((2, 15), np.nan)
    extra[:, 6:] = data["X_test"][:2, 6:]
    model = CrossModalTransferClassifier(aligner=aligner(), target_labels="none")
    with pytest.warns(UserWarning, match=r"takes none of \d+ pairs for \[7\]"):
        model.fit(np.vstack([X, extra]), np.r_[y, 7, 7])
    assert list(model.classes_) == [0, 1, 2, 7]
    proba = model.predict_proba(data["X_test"])
    np.testing.assert_array_equal(proba[:, 3], 0)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert model.score(data["X_test"], data["y_test"]) > 0.9

    pairs = data["all"]
    deployed = FrozenEstimator(GaussianNB().fit(pairs.X[:300, :6], pairs.y[:300]))
    two = np.where(y == 2, -1, y)
    model = CrossModalTransferClassifier(deployed, aligner=aligner()).fit(X, two)
    assert list(model.classes_) == [0, 1, 2]


def test_an_estimator_without_probabilities(data):
    """Its hard predictions take part."""
    model = CrossModalTransferClassifier(
        make_pipeline(StandardScaler(), LinearSVC()), aligner=aligner()
    ).fit(data["X"], data["y"])
    assert model.score(data["X_test"], data["y_test"]) > 0.9


def test_rows_without_their_target_get_the_prior(data):
    """And a warning counts them."""
    model = CrossModalTransferClassifier(aligner=aligner()).fit(data["X"], data["y"])
    mixed = np.vstack([data["X_test"][:3], data["X"][:2]])
    with pytest.warns(UserWarning, match="2 of 5 rows lack the target 'modality1'.* row 3"):
        proba = model.predict_proba(mixed)
    np.testing.assert_array_equal(proba[3:], np.tile(model.class_prior_, (2, 1)))
    np.testing.assert_array_equal(proba[:3], model.predict_proba(mixed[:3]))


def test_available_joins_what_a_row_has(data):
    """Both modalities beat one; a row with one is answered from it; an empty one by the prior."""
    model = CrossModalTransferClassifier(aligner=aligner(), predict_from="available")
    model.fit(data["X"], data["y"])
    pairs = data["all"].X[600:]
    both = model.score(pairs, data["y_test"])
    source = np.where(np.arange(15) < 6, pairs, np.nan)
    target = np.where(np.arange(15) < 6, np.nan, pairs)
    assert both >= max(model.score(source, data["y_test"]), model.score(target, data["y_test"]))
    np.testing.assert_allclose(
        model.predict_proba(source), model.estimator_.predict_proba(pairs[:, :6]), atol=1e-12
    )
    alone = model.target_classifier_.predict_proba(pairs[:, 6:])
    np.testing.assert_allclose(model.predict_proba(target), alone, atol=1e-12)
    with pytest.warns(UserWarning, match="1 of 2 rows lack every modality, the first is row 1"):
        proba = model.predict_proba(np.vstack([pairs[:1], np.full((1, 15), np.nan)]))
    np.testing.assert_allclose(proba[1], model.class_prior_)


def noisy_pairs(rng, n):
    """Two modalities that each know something of three classes."""
    y = rng.integers(3, size=n)
    both = [1.2 * np.eye(3)[y] + rng.normal(size=(n, 3)) for _ in range(2)]
    return np.hstack(both), y


@pytest.mark.parametrize("teacher", [DecisionTreeClassifier(random_state=0), GaussianNB()])
def test_a_source_that_is_sure_and_wrong_drowns_nobody(teacher):
    """A tree is sure of every row: beside it the target still has a word."""
    (X, y), (Z, truth) = (noisy_pairs(np.random.default_rng(seed), 900) for seed in (0, 1))
    labels = np.where(np.arange(900) < 300, y, -1)
    model = CrossModalTransferClassifier(
        teacher, aligner=NullSpaceAligner(modalities=[3, 3]), predict_from="available"
    ).fit(X, labels)
    joined, power = model.score(Z, truth), model.source_inverse_temperature_
    assert 0 < power <= 1
    assert (power < 0.2) == isinstance(teacher, DecisionTreeClassifier)
    alone = model.set_params(predict_from="target").score(Z, truth)
    assert joined > alone
    assert joined > model.estimator_.score(Z[:, :3], truth)


def test_held_out_power_is_that_of_largest_likelihood():
    """Probabilities that are what they say need none; those that are squared need a root."""
    rng = np.random.default_rng(0)

    class Sure(GaussianNB):
        def predict_proba(self, X):
            proba = super().predict_proba(X) ** 4
            return proba / proba.sum(axis=1, keepdims=True)

    X, y = noisy_pairs(rng, 4000)
    powers = [
        held_out_power(model, X[:, :3], X[:, :3], y, np.ones(4000), {})
        for model in (GaussianNB(), Sure())
    ]
    np.testing.assert_allclose(powers, [1, 0.25], rtol=0.1)
    assert held_out_power(GaussianNB(), X[:3], X[:3], np.arange(3), np.ones(3), {}) == 1
    assert held_out_power(FrozenEstimator(Sure().fit(X, y)), X, X, y, np.ones(4000), {}) == 1


def test_three_modalities():
    """Any of them can be source and target, and rows may lack any."""
    widths = [5, 6, 7]
    pairs = make_paired_gaussians(
        600, n_features=widths, n_latent=3, n_classes=3, noise=2.0, random_state=5
    )
    rng = np.random.default_rng(0)
    X = pairs.X.copy()
    for m, columns in enumerate(np.split(np.arange(18), [5, 11])):
        X[np.ix_(np.flatnonzero(rng.random(600) < 0.2 * (m + 1) / 2), columns)] = np.nan
    y = np.where(rng.random(600) < 0.5, pairs.y, -1)
    names = {"a": slice(0, 5), "b": slice(5, 11), "c": slice(11, 18)}
    for source, target in (("a", "c"), ("c", "b"), (1, "a"), (-1, 0)):
        model = CrossModalTransferClassifier(
            aligner=NullSpaceAligner(modalities=names, random_state=0),
            source=source,
            target=target,
            predict_from="available",
        ).fit(X, y)
        assert model.score(X[~np.isnan(X).all(axis=1)], pairs.y[~np.isnan(X).all(axis=1)]) > 0.9
        columns = list(names.values())[model.target_]
        assert model.target_classifier_.score(pairs.X[:, columns], pairs.y) > 0.85
        assert sorted([model.source_, *model.classifiers_]) == [0, 1, 2]
        assert model.classifiers_[model.target_] is model.target_classifier_


def test_parameters_of_the_parts_are_not_touched(data):
    """Fitting clones; the user's objects stay unfitted and unchanged."""
    estimator, space, mixture = GaussianNB(), aligner(), GaussianMixture(3)
    model = CrossModalTransferClassifier(
        estimator, aligner=space, mixture=mixture, random_state=0
    ).fit(data["X"], data["y"])
    assert not hasattr(estimator, "classes_")
    assert not hasattr(space, "encoders_")
    assert space.n_components == "auto"
    assert mixture.random_state is None
    assert model.mixture_.random_state == 0


def test_roles_are_those_of_the_fit(data):
    """Parameters that are set afterwards wait for the next fit; how to predict may change."""
    model = CrossModalTransferClassifier(aligner=aligner()).fit(data["X"], data["y"])
    proba = model.predict_proba(data["X_test"])
    np.testing.assert_array_equal(
        model.set_params(source=1, target=0).predict_proba(data["X_test"]), proba
    )
    model.set_params(predict_from="available")
    np.testing.assert_allclose(model.predict_proba(data["X_test"]), proba)
    with pytest.raises(ValueError, match="predict_from='both'"):
        model.set_params(predict_from="both").predict(data["X_test"])


def test_a_frozen_estimator_needs_no_labels_and_two_pairs(data):
    """``y`` may be left out; one pair is too few, whoever aligned."""
    pairs = data["all"]
    deployed = FrozenEstimator(GaussianNB().fit(pairs.X[:300, :6], pairs.y[:300]))
    space = FrozenEstimator(aligner().fit(pairs.X[300:600]))
    model = CrossModalTransferClassifier(deployed, aligner=space)
    assert model.fit(pairs.X[300:600]).score(data["X_test"], data["y_test"]) > 0.9
    lonely = pairs.X[300:310].copy()
    lonely[1:, 6:] = np.nan
    with pytest.raises(ValueError, match="X has one pair"):
        model.fit(lonely)


@pytest.mark.parametrize("blank", [None, -1])
def test_truth_values_with_missing_ones(data, blank):
    """Classes are truth values again."""
    y = np.array([blank if label < 0 else bool(label > 0) for label in data["y"]], dtype=object)
    model = CrossModalTransferClassifier(aligner=aligner()).fit(data["X"], y)
    assert model.classes_.dtype == bool
    assert model.score(data["X_test"], data["y_test"] > 0) > 0.9


def test_a_seed_leaves_a_frozen_source_as_it_is():
    """There is nothing in it to seed."""
    data = make_paired_gaussians(120, n_features=(4, 5), noise=0.5, random_state=0)
    source = FrozenEstimator(GaussianNB().fit(data.X[:, :4], data.y))
    aligner = NullSpaceAligner(modalities=[4, 5])
    seeded, plain = (
        CrossModalTransferClassifier(source, aligner=aligner, random_state=seed).fit(data.X)
        for seed in (0, None)
    )
    np.testing.assert_array_equal(seeded.predict(data.X), plain.predict(data.X))
