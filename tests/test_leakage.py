"""What is not used is not used: labels, rows and blocks are changed, and nothing learned changes.

Fitted attributes are compared bit for bit. Where the documentation says that something is used, it
is seen to be, so that no test passes because a change is none.
"""

import warnings

import numpy as np
import pytest
from comparison import difference
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import make_pipeline

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
from skalign.datasets import make_paired_gaussians
from skalign.model_selection import (
    ConformalTransfer,
    TransferSplit,
    agreement_scorer,
    estimate_accuracy,
    permutation_test,
)

WIDTHS = (4, 5)
SOURCE, TARGET = slice(0, 4), slice(4, 9)
DATA = make_paired_gaussians(
    150, n_features=WIDTHS, n_latent=3, n_classes=3, noise=0.5, random_state=0
)
# Rows 0 to 39 have the source alone, 40 to 119 are pairs, 120 to 149 have the target alone.
ALONE, PAIRS, TARGETS = slice(0, 40), slice(40, 120), slice(120, 150)
X = DATA.X.copy()
X[ALONE, TARGET] = np.nan
X[TARGETS, SOURCE] = np.nan
LABELS, NUMBERS = DATA.y, DATA.latent[:, 0] + 1
ALIGNER = NullSpaceAligner(modalities=WIDTHS)
KNOWN = FrozenEstimator(GaussianMixture(3, random_state=0).fit(DATA.latent))
TRANSFER = CrossModalTransferClassifier(aligner=ALIGNER)


@pytest.fixture(autouse=True)
def _silent():
    """Warnings of labels that are not used are beside the point here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def permuted(values, rows):
    """Labels of some rows in another order, and not the one that they have."""
    values = values.copy()
    values[rows] = np.random.default_rng(0).permutation(values[rows])
    return values


def unlabelled(y, rows, blank=-1):
    """Labels without those of some rows."""
    y = y.copy()
    y[rows] = blank
    return y


def moved(rows, columns, by=3.0):
    """The rows with other numbers in some blocks; what is missing stays so."""
    Z = X.copy()
    Z[rows, columns] = by * Z[rows, columns] + np.random.default_rng(1).normal(
        size=Z[rows, columns].shape
    )
    return Z


def same(one, other, *names):
    """Whether fitted estimators, or some attributes of them, are the same bit for bit."""
    if not names:
        return difference(learned(one), learned(other))
    both = [{name: getattr(model, name) for name in names} for model in (one, other)]
    return difference(*both)


def learned(model):
    """Fitted attributes."""
    return {name: value for name, value in vars(model).items() if name.endswith("_")}


# -- labels reach the target through the source ---------------------------------------------------


class Deaf(ClassifierMixin, BaseEstimator):
    """A source classifier that no label teaches anything but the names of the classes."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.coef_ = np.random.default_rng(0).normal(size=(X.shape[1], len(self.classes_)))
        return self

    def predict_proba(self, X):
        proba = np.exp(X @ self.coef_ / np.abs(X).max())
        return proba / proba.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class DeafToNumbers(RegressorMixin, BaseEstimator):
    """The same of numbers."""

    def fit(self, X, y):
        self.coef_ = np.arange(1.0, X.shape[1] + 1)
        return self

    def predict(self, X):
        return X @ self.coef_


KINDS = {
    "default": {},
    "none": {"target_labels": "none"},
    "available": {"predict_from": "available"},
    "aligned": {"target_space": "aligned"},
    "mixture": {"mixture": GaussianMixture(4, random_state=0)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_pairs_reach_the_target_through_the_source_alone(kind):
    """A source that learns nothing from them has nothing to pass on; one that does, has."""
    y, other = LABELS, permuted(LABELS, np.r_[ALONE, PAIRS])
    model = clone(TRANSFER).set_params(**KINDS[kind])
    deaf, listening = model.set_params(estimator=Deaf()), clone(model).set_params(estimator=None)
    one, two = clone(deaf).fit(X, y), clone(deaf).fit(X, other)
    names = set(learned(one))
    if kind == "available":  # labels say how sure the source has a right to be, beside the target
        names -= {"source_inverse_temperature_"}
    assert same(one, two, *names) is None
    assert same(listening.fit(X, y), clone(listening).fit(X, other), "classifiers_")


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_source_gets_no_label(kind):
    """What `fit` is told of rows of the source is as if it had not been told."""
    frozen = FrozenEstimator(LogisticRegression().fit(DATA.X[:, SOURCE], LABELS))
    model = clone(TRANSFER).set_params(estimator=frozen, **KINDS[kind])
    told = permuted(LABELS, np.r_[ALONE, PAIRS])
    once = clone(model).fit(X, told)
    untold = clone(model).fit(X, unlabelled(LABELS, np.r_[ALONE, PAIRS]))
    assert same(once, untold) is None
    if kind == "none":
        assert same(once, clone(model).fit(X)) is None
    else:  # those of the target alone teach it, as is said
        assert same(once, clone(model).fit(X), "target_classifier_")


def test_labels_of_the_target_teach_only_where_asked():
    """Those of rows without the source, of pairs, too, or none."""
    for which, rows, used in [
        ("none", TARGETS, False),
        ("unpaired", TARGETS, True),
        ("all", TARGETS, True),
    ]:
        model = clone(TRANSFER).set_params(target_labels=which)
        both = [clone(model).fit(X, y) for y in (LABELS, permuted(LABELS, rows))]
        assert (same(*both) is not None) == used
    frozen = FrozenEstimator(LogisticRegression().fit(DATA.X[:, SOURCE], LABELS))
    model = clone(TRANSFER).set_params(estimator=frozen, target_labels="all")
    assert same(*(clone(model).fit(X, y) for y in (LABELS, permuted(LABELS, PAIRS))))


@pytest.mark.parametrize("frozen", [False, True])
def test_labels_of_pairs_reach_the_target_of_numbers_through_the_source_alone(frozen):
    """They say how wide deviations are, and how far predictions may go.

    Where the target has labels of its own, these count beside what the source says the more, the
    farther it errs by its own labels.
    """
    source = Ridge().fit(DATA.X[:, SOURCE], NUMBERS)
    source = FrozenEstimator(source) if frozen else DeafToNumbers()
    model = CrossModalTransferRegressor(source, aligner=ALIGNER)
    told = unlabelled(NUMBERS, TARGETS, np.nan)
    one, two = clone(model).fit(X, told), clone(model).fit(X, permuted(told, np.r_[ALONE, PAIRS]))
    assert same(one, two, *(set(learned(one)) - {"source_mse_", *OF_DEVIATIONS})) is None
    parts = one.target_regressor_, two.target_regressor_
    widths = {"noise_variance_", "error_variance_"}
    assert same(*parts, *(set(learned(parts[0])) - widths)) is None
    assert same(*parts, *widths)
    if frozen:
        untold = clone(model).fit(X).target_regressor_
        assert same(untold, parts[0], *(set(learned(untold)) - {*widths, "limits_"})) is None
    told = [clone(model).fit(X, y) for y in (NUMBERS, permuted(NUMBERS, TARGETS))]
    assert same(*(each.target_regressor_ for each in told), "coef_")


OF_DEVIATIONS = {"prior_std_", "target_regressor_"}


def test_prototypes_are_labelled_rows_of_the_source():
    """Other labels are as if they were none, and no label reaches the aligner."""
    model = ZeroShotClassifier(ALIGNER)
    one = clone(model).fit(X, LABELS)
    for y in (permuted(LABELS, TARGETS), unlabelled(LABELS, TARGETS)):
        assert same(clone(model).fit(X, y), one) is None
    assert same(clone(model).fit(X, permuted(LABELS, PAIRS)), one, "aligner_") is None
    frozen = ZeroShotClassifier(FrozenEstimator(clone(ALIGNER).fit(X)))
    both = [clone(frozen).fit(Z, LABELS) for Z in (X, moved(slice(None), TARGET))]
    assert same(*both) is None
    new = [np.where(np.arange(9) < 4, 1.0, value)[None] for value in (5.0, np.nan)]
    more = [clone(frozen).fit(X, LABELS).add_classes(Z, [9]) for Z in new]
    assert same(*more) is None and same(more[0], one, "classes_")


@pytest.mark.parametrize(
    "model",
    [
        ALIGNER,
        BlockImputer(modalities=WIDTHS),
        CrossModalImputer(ALIGNER),
        CrossModalRetriever(ALIGNER),
        LatentGauge(mixture=KNOWN, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_labels_that_are_ignored(model):
    """By estimators that learn from rows alone."""
    rows = DATA.latent if isinstance(model, LatentGauge) else X
    one = clone(model).fit(rows)
    for y in (LABELS, LABELS[::-1]):
        assert same(clone(model).fit(rows, y), one) is None


# -- rows that are not learned from ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (ALIGNER, None),
        (CrossModalImputer(ALIGNER), None),
        (TRANSFER, LABELS),
        (clone(TRANSFER).set_params(predict_from="available"), LABELS),
        (CrossModalTransferRegressor(aligner=ALIGNER), NUMBERS),
        (ZeroShotClassifier(ALIGNER), LABELS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_rows_of_weight_zero_are_not_there(model, y):
    """Neither their numbers nor their labels, whatever they have."""
    silent = np.r_[0:8, 40:56, 120:126]
    weights = np.ones(len(X))
    weights[silent] = 0
    given = [X] if y is None else [X, y]
    one = clone(model).fit(*given, sample_weight=weights)
    given = [moved(silent, slice(None))]
    if y is not None:
        given.append(permuted(y, silent))
    assert same(clone(model).fit(*given, sample_weight=weights), one) is None


def test_a_gauge_learns_from_what_is_known_alone():
    """From anchors, or from rows with a label; other rows are only mapped."""
    anchors = np.full((150, 3), np.nan)
    anchors[:20] = DATA.latent[:20]
    others = DATA.latent.copy()
    others[20:] = 7 * others[20:] + 2
    one, two = (LatentGauge().fit(Z, anchors) for Z in (DATA.latent, others))
    assert same(one, two) is None
    means, y = DATA.class_means, unlabelled(LABELS, slice(100, None))
    others = np.vstack([DATA.latent[:100], others[100:]])
    model = LatentGauge(class_means=means, fit_intercept=False)
    assert same(*(clone(model).fit(Z, y) for Z in (DATA.latent, others))) is None
    assert same(one, LatentGauge().fit(others + 1, anchors))


def test_an_imputer_of_blocks_learns_from_the_block_alone():
    """And from rows that have any of it."""
    model = BlockImputer(modalities=WIDTHS)
    one, two = clone(model).fit(X), clone(model).fit(moved(slice(None), TARGET))
    assert difference(one.imputers_[0], two.imputers_[0]) is None
    assert difference(one.imputers_[1], two.imputers_[1])


# -- rows to be predicted -------------------------------------------------------------------------


FITTED = {
    "transfer": (TRANSFER, LABELS, "predict_proba", TARGET),
    "mixture": (clone(TRANSFER).set_params(**KINDS["mixture"]), LABELS, "predict_proba", TARGET),
    "numbers": (CrossModalTransferRegressor(aligner=ALIGNER), NUMBERS, "predict", TARGET),
    "prototypes": (ZeroShotClassifier(ALIGNER), LABELS, "predict_proba", TARGET),
    "retrieval": (CrossModalRetriever(ALIGNER), None, "similarity", SOURCE),
    "sets": (ConformalTransfer(TRANSFER, cv=2, random_state=0), LABELS, "predict_set", TARGET),
}


@pytest.mark.parametrize("case", FITTED)
def test_predictions_look_at_one_block_of_one_row(case):
    """Whatever stands in the other block, and beside the row: rows tell nothing of each other."""
    model, y, method, block = FITTED[case]
    y = y if case != "sets" else unlabelled(y, PAIRS)
    model = clone(model).fit(X, y)
    before, predict, rows = learned(model), getattr(model, method), DATA.X[PAIRS]
    expected = predict(rows)
    other = np.full(rows.shape, np.nan)
    other[:, block] = rows[:, block]
    np.testing.assert_array_equal(predict(other), expected)
    other[:, SOURCE if block == TARGET else TARGET] = 9.0
    np.testing.assert_array_equal(predict(other), expected)
    strangers = np.vstack([rows[:7], 5 * rows[7:] - 3])
    np.testing.assert_allclose(predict(strangers)[:7], expected[:7], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(predict(rows[:1]), expected[:1], rtol=1e-10, atol=1e-12)
    assert difference(learned(model), before) is None


@pytest.mark.parametrize("method", ["transform", "impute", "score_samples"])
def test_maps_look_at_one_row(method):
    """Of the aligner, and what stands on it."""
    aligner = clone(ALIGNER).fit(X)
    rows = DATA.X[:30].copy()
    if method != "score_samples":
        rows[::2, TARGET] = np.nan
    expected = getattr(aligner, method)(rows)
    strangers = np.vstack([rows[:7], 5 * rows[7:] - 3])
    found = getattr(aligner, method)(strangers)[:7]
    np.testing.assert_allclose(found, expected[:7], rtol=1e-10, atol=1e-12)


# -- rows held out --------------------------------------------------------------------------------


def test_sets_are_calibrated_on_rows_that_nobody_has_seen():
    """A pair that changes is news to the models of other folds, and to none of its own."""
    y = unlabelled(LABELS, PAIRS)
    model = ConformalTransfer(TRANSFER, cv=4, random_state=0)
    one, two = clone(model).fit(X, y), clone(model).fit(moved(50, TARGET), y)
    for name, least in (("target_proba_", 19), ("source_proba_", 20), ("labelled_proba_", 10)):
        unchanged = (getattr(one, name) == getattr(two, name)).all(axis=1)
        if name == "target_proba_":  # of other folds all have changed
            assert unchanged.sum() == least
        assert unchanged.sum() >= least
    # the whole fold, by the place of the pair in it
    held = np.flatnonzero((one.target_proba_ == two.target_proba_).all(axis=1))
    assert held[-1] - held[0] <= 19


def test_correlations_of_partners_are_those_of_pairs_held_out():
    """Of unrelated pairs they are small, however well the retriever knows its own rows."""
    held, learned_from, own = [], [], []
    for seed in range(6):
        rows = np.random.default_rng(seed).normal(size=(60, 40))
        model = CrossModalRetriever(NullSpaceAligner(shrinkage=0.2)).fit(rows)
        held.append(model.correlations_.max())
        learned_from.append(model.aligner_.correlations_.max())
        own.append(model.score(rows))
    assert np.mean(held) < 0.35 < np.mean(learned_from)
    assert np.mean(own) > 0.4  # by chance it would be .08


class Witness(TransformerMixin, BaseEstimator):
    """Passes rows on, and counts those that it is asked about and has been fitted to."""

    asked = met = 0

    def fit(self, X, y=None):
        self.rows_ = {row.tobytes() for row in np.ascontiguousarray(X)}
        return self

    def fit_transform(self, X, y=None):
        self.fit(X)
        return X

    def transform(self, X):
        rows = [row.tobytes() for row in np.ascontiguousarray(X)]
        Witness.asked += len(rows)
        Witness.met += sum(row in self.rows_ for row in rows)
        return X


@pytest.mark.parametrize("grouped", [False, True])
def test_accuracy_is_estimated_on_rows_that_nobody_has_seen(grouped):
    """Labelled rows by the source, pairs by both; of groups no row is on both sides."""
    Witness.asked = Witness.met = 0
    y, groups = unlabelled(LABELS, PAIRS), np.arange(150) // 2 if grouped else None
    Z = X.copy()
    if grouped:  # rows of a group are alike, so that one betrays the other
        Z[1:120:2] = Z[0:120:2]
    estimate_accuracy(
        make_pipeline(Witness(), TRANSFER), Z, y, groups=groups, cv=3, random_state=0
    )
    assert Witness.asked == 40 + 80 + 80 and Witness.met == 0


@pytest.mark.parametrize("grouped", [False, True])
def test_a_split_tests_what_it_does_not_train_on(grouped):
    """Rows, and groups with their rows that cannot be tested; labels of the test do not matter."""
    y = unlabelled(LABELS, np.r_[40:70])
    groups = np.random.default_rng(0).integers(12, size=150)
    cv = TransferSplit(GroupKFold(4) if grouped else KFold(4), modalities=WIDTHS)
    given = {"groups": groups} if grouped else {}
    splits = list(cv.split(X, y, **given))
    again = list(cv.split(X, permuted(y, np.r_[70:150]), **given))
    for (train, test), (others, tests) in zip(splits, again, strict=True):
        assert not set(train) & set(test)
        np.testing.assert_array_equal(train, others)
        np.testing.assert_array_equal(test, tests)
        assert not np.isnan(X[test, TARGET]).any() and (y[test] >= 0).all()
        if grouped:
            assert not set(groups[train]) & set(groups[test])
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(70, 150))


# -- scores and tests -----------------------------------------------------------------------------


def test_agreement_looks_at_pairs_and_at_no_label():
    """Of the rows that it is given."""
    model = clone(TRANSFER).fit(X, LABELS)
    score = agreement_scorer(model, X, LABELS)
    for Z, y in (
        (X, None),
        (X, LABELS[::-1]),
        (moved(ALONE, SOURCE), LABELS),
        (moved(TARGETS, TARGET), LABELS),
        (X[PAIRS], None),
    ):
        assert agreement_scorer(model, Z, y) == score
    assert agreement_scorer(model, moved(PAIRS, TARGET), LABELS) != score


def test_permutations_look_at_pairs_alone():
    """And at groups, of which names do not matter."""
    groups = np.arange(150) // 10
    found = permutation_test(X, modalities=WIDTHS, groups=groups, n_permutations=19)
    other = moved(np.r_[0:40, 120:150], slice(None))
    names = np.array(list("abcdefghijklmnop"))[groups]
    again = permutation_test(other, modalities=WIDTHS, groups=names, n_permutations=19)
    assert difference(found, again) is None


def test_names_of_groups_do_not_matter_to_a_transfer():
    """Bit for bit, where groups keep their order."""
    groups = np.arange(150) // 5
    names = np.array([f"subject {g:03}" for g in groups])
    one, two = (clone(TRANSFER).fit(X, LABELS, groups=g) for g in (groups, names))
    assert same(one, two) is None
