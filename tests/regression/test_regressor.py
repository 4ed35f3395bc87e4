"""Numbers carried from one modality to another, and how far they may be off."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import (
    CrossModalTransferRegressor,
    ModalityRegressor,
    NullSpaceAligner,
    stack_modalities,
)
from skalign.regression._source import Labelled, _folds
from skalign.regression._target import TargetTask, guard_of
from skalign.regression._task import Known, transfer_task, worth_of_labels

WIDTHS = 12, 30
NAMES = {"old": slice(0, 12), "new": slice(12, 42)}
LABELLED, PAIRS = slice(0, 120), slice(120, 150)
TEST = slice(150, 550)


def instruments(seed=0, n=550, noise=0.3, n_outputs=1):
    """Rows of both instruments, and a number that three latents decide."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 3))
    X = np.hstack([Z @ rng.normal(size=(3, d)) + noise * rng.normal(size=(n, d)) for d in WIDTHS])
    Y = Z @ rng.normal(size=(3, n_outputs)) + 0.2 * rng.normal(size=(n, n_outputs))
    return X, Y[:, 0] if n_outputs == 1 else Y


def training(X, y, labelled=LABELLED, pairs=PAIRS):
    """Labelled rows of the old instrument, pairs without a label."""
    old = X[labelled].copy()
    old[:, 12:] = np.nan
    return np.vstack([old, X[pairs]]), np.concatenate(
        [y[labelled], np.full_like(y[pairs], np.nan)]
    )


def regressor(estimator=None, **options):
    return CrossModalTransferRegressor(
        estimator, aligner=NullSpaceAligner(1, modalities=NAMES), **options
    )


def later(X):
    return stack_modalities(None, X[TEST, 12:], widths=WIDTHS)


def test_a_new_instrument_needs_no_label():
    """Predictions are right, and nine of ten true values lie in the interval of 90 %."""
    covered = []
    for seed in range(6):
        X, y = instruments(seed, noise=0.1)
        model = regressor().fit(*training(X, y))
        mean, std = model.predict(later(X), return_std=True)
        assert model.score(later(X), y[TEST]) > 0.85
        covered.append(np.mean(np.abs(y[TEST] - mean) < 1.645 * std))
    assert 0.85 < np.mean(covered) < 0.97


def test_the_target_regressor_is_the_model():
    """It takes the target's columns alone, from a file too, and keeps them as plain arrays."""
    X, y = instruments()
    model = regressor().fit(*training(X, y))
    part = pickle.loads(pickle.dumps(model.target_regressor_))
    assert isinstance(part, ModalityRegressor)
    for mine, whole in zip(
        part.predict(X[TEST, 12:], return_std=True),
        model.predict(later(X), return_std=True),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, whole)
    np.testing.assert_allclose(
        part.predict(X[TEST, 12:]),
        np.clip((X[TEST, 12:] - part.mean_) @ part.coef_ + part.intercept_, *part.limits_),
    )
    assert all(isinstance(value, float | int | np.ndarray) for value in vars(part).values())
    assert clone(part) is part
    assert part.fit(X[:, 12:]) is part
    with pytest.raises(ValueError, match="expecting 30 features"):
        part.predict(X)
    with pytest.raises(ValueError, match="42 features as input") as error:
        model.predict(X[:, 12:])
    assert "target_regressor_" in error.value.__notes__[0]
    with pytest.raises(Exception, match="not fitted yet"):
        ModalityRegressor().fit(X)


@settings(deadline=None, max_examples=8)
@given(st.floats(0.1, 20), st.floats(-50, 50), st.integers(0, 100))
def test_units_follow(scale, shift, seed):
    """Of y: means and deviations scale with it. Of a modality as a whole: nothing shows."""
    X, y = instruments(seed, n=200)
    X, y = training(X, y)
    mean, std = regressor().fit(X, y).predict(X[120:], return_std=True)
    again, broad = regressor().fit(X, scale * y + shift).predict(X[120:], return_std=True)
    np.testing.assert_allclose(again, scale * mean + shift, atol=1e-5 * abs(scale))
    np.testing.assert_allclose(broad, abs(scale) * std, rtol=1e-4)
    moved = X * np.repeat([3.0, 0.2], WIDTHS) + np.repeat([1.0, -7.0], WIDTHS)
    again, broad = regressor().fit(moved, y).predict(moved[120:], return_std=True)
    np.testing.assert_allclose(again, mean, atol=1e-5)
    np.testing.assert_allclose(broad, std, rtol=1e-4)


@pytest.mark.parametrize("estimator", [None, Ridge()], ids=str)
def test_weights_are_repeated_rows_in_any_order(estimator):
    """Means and deviations are those of rows that stand there as often, shuffled."""
    rng = np.random.default_rng(1)
    X, y = instruments(1, n=200)
    y[100:170] = np.nan
    X[:60, 12:], X[170:, :12] = np.nan, np.nan
    w = rng.integers(0, 3, size=200)
    order = rng.permutation(w.sum())
    rows = np.repeat(np.arange(200), w)[order]
    weighted = regressor(estimator).fit(X, y, sample_weight=w)
    repeated = regressor(estimator).fit(X[rows], y[rows])
    whole = instruments(2, n=200)[0]
    for one, other in zip(
        weighted.predict(whole, return_std=True),
        repeated.predict(whole, return_std=True),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    np.testing.assert_allclose(weighted.source_mse_, repeated.source_mse_)


def test_outputs_are_separate():
    """Predictions of several outputs are those of a model each."""
    X, Y = instruments(3, n_outputs=3)
    X, Y = training(X, Y)
    both = regressor().fit(X, Y)
    mean, std = both.predict(X[120:], return_std=True)
    assert mean.shape == std.shape == (30, 3)
    assert both.agreement_.shape == both.source_mse_.shape == both.prior_mean_.shape == (3,)
    for q in range(3):
        one = regressor().fit(X, Y[:, q])
        np.testing.assert_allclose(one.predict(X[120:]), mean[:, q], rtol=1e-8, atol=1e-9)
        assert one.agreement_ == pytest.approx(both.agreement_[q])
    column = regressor().fit(X, Y[:, :1])
    assert column.predict(X[120:]).shape == (30, 1)


def test_a_frozen_source_needs_no_label():
    """It is used as it is; without labels deviations lack its own errors, which is said."""
    X, y = instruments(4)
    source = LinearRegression().fit(X[LABELLED, :12], y[LABELLED])
    model = regressor(FrozenEstimator(source)).fit(X[PAIRS])
    assert not hasattr(model, "source_mse_")
    assert model.score(later(X), y[TEST]) > 0.85
    with pytest.warns(UserWarning, match="no label tells how far it errs"):
        narrow = model.predict(later(X), return_std=True)[1]
    told = regressor(FrozenEstimator(source)).fit(*training(X, y))
    wide = told.predict(later(X), return_std=True)[1]
    np.testing.assert_allclose(told.predict(later(X)), model.predict(later(X)))
    np.testing.assert_allclose(
        told.source_mse_, np.mean((y[LABELLED] - source.predict(X[LABELLED, :12])) ** 2)
    )
    assert (wide > narrow).all()
    two = LinearRegression().fit(X[LABELLED, :12], np.c_[y, -y][LABELLED])
    both = regressor(FrozenEstimator(two)).fit(X[PAIRS]).predict(X[PAIRS])
    np.testing.assert_allclose(both[:, 0], -both[:, 1], atol=1e-9)


def test_the_source_is_judged_on_rows_that_it_has_not_seen():
    """Nearest neighbours know labels by heart; their error is not zero."""
    X, y = instruments(5)
    model = regressor(KNeighborsRegressor(1)).fit(*training(X, y))
    held = X[200:, :12]
    truth = np.mean((y[200:] - model.estimator_.predict(held)) ** 2)
    assert 0.5 * truth < model.source_mse_ < 2 * truth
    X, y = X[:150], y[:150]
    assert regressor(KNeighborsRegressor(1)).fit(X, y).source_mse_ > 0.3 * truth


def test_labels_of_pairs_tell_what_both_errors_have_in_common():
    """A target that knows more than the source: the sum of both errors is too much."""
    rng = np.random.default_rng(6)
    y = rng.normal(size=900)
    old = y[:, None] + rng.normal(size=(900, 1))
    X = np.hstack([old, y[:, None] + 0.1 * rng.normal(size=(900, 3))])
    pairs = slice(100, 300)
    aligner = NullSpaceAligner(1, modalities=[1, 3])
    known = y.copy()
    known[pairs] = np.nan
    rows = X.copy()
    rows[:100, 1:] = np.nan
    apart = CrossModalTransferRegressor(aligner=aligner).fit(rows[:300], known[:300])
    told = CrossModalTransferRegressor(aligner=aligner).fit(rows[:300], y[:300])
    covered = []
    for model in (apart, told):
        mean, std = model.predict(X[300:], return_std=True)
        covered.append(np.mean(np.abs(y[300:] - mean) < 1.645 * std))
    assert covered[0] > 0.97
    assert 0.82 < covered[1] < 0.97


def test_labels_of_the_target_teach_it():
    """Rows with the target and a label, without the source, are not ignored."""
    gains = []
    for seed in range(4):
        X, y = instruments(seed, noise=1.0)
        rows, known = training(X, y, pairs=slice(120, 140))
        more = np.vstack([rows, later(X)[:60]])
        without = regressor().fit(more, np.append(known, np.full(60, np.nan)))
        model = regressor().fit(more, np.append(known, y[TEST][:60]))
        scores = [m.score(later(X)[60:], y[TEST][60:]) for m in (model, without)]
        gains.append(scores[0] - scores[1])
    assert np.mean(gains) > 0.02


def test_rows_without_the_target_get_the_mean():
    """Of what the source says of the pairs, and its deviation; a warning counts them."""
    X, y = instruments(7)
    rows, known = training(X, y)
    model = regressor().fit(rows, known)
    with pytest.warns(
        UserWarning, match="120 of 150 rows lack the target 'new', the first is row 0"
    ):
        mean, std = model.predict(rows, return_std=True)
    pseudo = model.estimator_.predict(X[PAIRS, :12])
    np.testing.assert_allclose(mean[:120], pseudo.mean())
    assert model.prior_mean_ == pytest.approx(pseudo.mean())
    assert (std[:120] > pseudo.std()).all()
    assert (std[:120] > std[120:].max()).all()


def test_predictions_stay_near_what_is_known():
    """A row far away gets the highest number known, a quarter of their width aside."""
    X, y = training(*DATA)
    model = regressor().fit(X, y)
    far = X[120:121] + 1e3 * np.r_[np.zeros(12), model.target_regressor_.coef_]
    known = np.r_[y[:120], model.estimator_.predict(X[120:, :12])]
    expected = known.max() + 0.25 * np.ptp(known)
    mean, std = model.predict(far, return_std=True)
    np.testing.assert_allclose(mean, expected)
    assert std[0] > 10 * model.predict(X[120:121], return_std=True)[1][0]


def test_a_constant_is_predicted():
    """Without a warning, and with no doubt."""
    X, y = training(*DATA)
    mean, std = regressor().fit(X, np.where(np.isnan(y), y, 3.0)).predict(X[120:], return_std=True)
    np.testing.assert_allclose(mean, 3.0)
    np.testing.assert_allclose(std, 0.0, atol=1e-6)


def test_pairs_that_share_nothing_are_told():
    """Then the mean is predicted, with the deviation of y."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 42)), rng.normal(size=300)
    y += X[:, 0]
    with pytest.warns(UserWarning, match="'old' and 'new' share nothing beyond chance"):
        model = regressor().fit(*training(X, y))
    mean, std = model.predict(X[150:], return_std=True)
    assert model.agreement_ <= 0
    np.testing.assert_allclose(mean, mean[0])
    np.testing.assert_allclose(std, std[0])
    assert 0.8 < std[0] / y.std() < 1.4


DATA = instruments(8)
BAD = {
    "no y": (lambda X, y: (X, None), "requires y to be passed, but the target y is None"),
    "length": (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples: X has 150 rows, y has"),
    "infinite": (lambda X, y: (X, np.where(y == y[3], np.inf, y)), "Input y contains infinity"),
    "partly": (
        lambda X, y: (X, np.c_[y, np.where(np.arange(150) == 7, np.nan, y)]),
        "y has NaN in some outputs of row 7, the first is output 1",
    ),
    "unlabelled": (
        lambda X, y: (X, np.full(150, np.nan)),
        "no labelled row has the source modality 'old'",
    ),
    "no pairs": (
        lambda X, y: (np.where(np.arange(42) < 12, X, np.nan), y),
        "X has no pairs",
    ),
    "half a block": (
        lambda X, y: (np.where((X[5, 2] == X), np.nan, X), y),
        "NaN in part of a block: modality 'old', row 5",
    ),
    "words": (lambda X, y: (X, np.full(150, "a")), "could not convert string to float"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data(case):
    """The message says what is wrong, and a failed fit loses nothing."""
    change, message = BAD[case]
    X, y = training(*DATA)
    model = regressor().fit(X, y)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match=message):
        model.fit(*change(X, y))
    assert pickle.dumps(model) == before


BAD_PARAMETERS = {
    "classifier": ({"estimator": LogisticRegression()}, "is no regressor"),
    "target": ({"target": "later"}, "target='later' is no modality"),
    "same": ({"target": 0}, "are one modality"),
    "aligner": ({"aligner": Ridge()}, "must be a NullSpaceAligner"),
    "verbose": ({"verbose": 2}, "verbose=2 must be True or False"),
}


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_bad_parameters(case):
    """The message names the parameter."""
    options, message = BAD_PARAMETERS[case]
    X, y = training(*DATA)
    with pytest.raises(ValueError, match=message):
        regressor().set_params(**options).fit(X, y)


def test_return_std_is_a_switch():
    """Anything else is refused, by both regressors."""
    model = regressor().fit(*training(*DATA))
    for part, rows in ((model, DATA[0]), (model.target_regressor_, DATA[0][:, 12:])):
        with pytest.raises(ValueError, match="return_std='yes' must be True or False"):
            part.predict(rows, return_std="yes")


def test_containers_and_precision():
    """Dataframes select by name, Dask is lazy, float32 stays."""
    polars, array = pytest.importorskip("polars"), pytest.importorskip("dask.array")
    X, y = training(*DATA)
    names = [f"old_{j}" for j in range(12)] + [f"new_{j}" for j in range(30)]
    by_name = NullSpaceAligner(1, modalities={"old": names[:12], "new": names[12:]})
    plain = regressor().fit(X, y)
    mean, std = plain.predict(later(DATA[0]), return_std=True)
    for frame in (
        pd.DataFrame(X, columns=names),
        polars.DataFrame(X, schema=names, orient="row"),
    ):
        model = CrossModalTransferRegressor(aligner=by_name, source="old", target="new")
        model.fit(frame, y)
        np.testing.assert_allclose(model.predict(frame[120:]), plain.predict(X[120:]))
        assert list(model.target_regressor_.feature_names_in_) == names[12:]
        np.testing.assert_allclose(
            model.target_regressor_.predict(frame[120:][names[12:]]), plain.predict(X[120:])
        )
    lazy = array.from_array(later(DATA[0]), chunks=(150, 42))
    one, other = plain.predict(lazy, return_std=True)
    assert one.chunks == plain.predict(lazy).chunks == ((150, 150, 100),)
    np.testing.assert_allclose(one.compute(), mean)
    np.testing.assert_allclose(other.compute(), std)
    with pytest.raises(ValueError, match="CrossModalTransferRegressor works on rows in memory"):
        regressor().fit(lazy, y)
    single = regressor().fit(X.astype(np.float32), y)
    for part in single.predict(X.astype(np.float32)[120:], return_std=True):
        assert part.dtype == np.float32
    np.testing.assert_allclose(single.predict(X[120:]), plain.predict(X[120:]), atol=1e-3)


def test_searches_and_pipelines():
    """Nested parameters, cross-validation over labelled pairs, a seed for the source."""
    X, y = DATA[0][:120], DATA[1][:120]
    model = make_pipeline(StandardScaler(), regressor(RandomForestRegressor(10), random_state=0))
    np.testing.assert_array_equal(
        clone(model).fit(X, y).predict(X), clone(model).fit(X, y).predict(X)
    )
    assert cross_val_score(regressor(), X, y, cv=KFold(3)).min() > 0.7
    grid = GridSearchCV(regressor(Ridge()), {"estimator__alpha": [1.0, 1e6]}, cv=3).fit(X, y)
    assert grid.best_params_ == {"estimator__alpha": 1.0}


def test_metadata_is_routed():
    """Weights reach estimator and aligner on request; groups of a search reach it."""
    X, y = training(*DATA)
    w = np.random.default_rng(0).integers(1, 3, size=len(y))
    plain = regressor().fit(X, y, sample_weight=w)
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3)
    grouped = regressor(GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=KFold(3)))
    assert np.isfinite(grouped.fit(X, y).predict(X[120:])).all()
    with pytest.raises(ValueError, match="takes no sample_weight"):
        regressor(KNeighborsRegressor()).fit(X, y, sample_weight=w)
    with config_context(enable_metadata_routing=True):
        aligner = NullSpaceAligner(1, modalities=NAMES).set_fit_request(sample_weight=True)
        model = CrossModalTransferRegressor(aligner=aligner).fit(X, y, sample_weight=w)
        np.testing.assert_allclose(model.predict(X[120:]), plain.predict(X[120:]), atol=1e-9)
        asked = CrossModalTransferRegressor(
            search.set_params(
                estimator=Ridge()
                .set_fit_request(sample_weight=True)
                .set_score_request(sample_weight=False)
            ),
            aligner=aligner,
        ).fit(X, y, sample_weight=w)
        assert np.isfinite(asked.predict(X[120:])).all()


def test_a_frozen_aligner_is_used():
    """Modalities are its own; one of other columns is refused."""
    X, y = training(*DATA)
    aligner = NullSpaceAligner(1, modalities=NAMES).fit(X)
    model = CrossModalTransferRegressor(aligner=FrozenEstimator(aligner)).fit(X, y)
    assert model.aligner_ is aligner
    np.testing.assert_allclose(model.predict(X[120:]), regressor().fit(X, y).predict(X[120:]))
    with pytest.raises(ValueError, match="aligner was fitted on 42 features, X has 41"):
        model.fit(X[:, :41], y)


def test_each_step_is_printed(capsys):
    """Only if verbose."""
    regressor(verbose=True).fit(*training(*DATA))
    assert "source: 120 labelled rows of 150" in capsys.readouterr().out
    regressor().fit(*training(*DATA))
    assert capsys.readouterr().out == ""


def test_a_score_wants_a_number_for_every_row():
    """The first row without one is named."""
    X, y = training(*DATA)
    y = np.where(np.arange(len(y)) < 3, y, np.nan)
    model = regressor().fit(*training(*DATA))
    with pytest.raises(ValueError, match=rf"no number for {len(y) - 3} of {len(y)} rows.* row 3"):
        model.score(X, y)
    truth = np.arange(len(X) - 120.0)
    assert model.score(X[120:], truth) == r2_score(truth, model.predict(X[120:]))


def test_numbers_beyond_single_precision_are_refused_there():
    """And told to rows of double precision."""
    X, y = training(*DATA)
    model = regressor().fit(X, 1e60 * y)
    assert np.isfinite(model.predict(X[120:])).all()
    target = X[120:, model.aligner_.modality_columns_[model.target_]].astype(np.float32)
    with pytest.raises(ValueError, match="float32, which cannot hold"):
        model.predict(X[120:].astype(np.float32))
    with pytest.raises(ValueError, match="float32, which cannot hold"):
        model.target_regressor_.predict(target)


def test_labels_that_are_worth_nothing_are_left_out():
    """As if there were none; a weight of zero would be divided by."""
    rng = np.random.default_rng(0)
    source, target, alone = (rng.normal(size=(n, 2)) for n in (8, 8, 3))
    said, nothing = rng.normal(size=(8, 1)), np.full((8, 1), np.nan)
    known = Known(
        source, target, np.ones(8), said, said[None], nothing, np.zeros(8, dtype=int),
        alone, np.ones(3), rng.normal(size=(3, 1)),
    )  # fmt: skip
    without, none = transfer_task(known, 1e-16, None), transfer_task(known, 1e-16, 0.0)
    for name, value in vars(without[0]).items():
        np.testing.assert_array_equal(getattr(none[0], name), value)
    assert len(transfer_task(known, 1e-16, 0.5)[0].weights) == 11


def test_rows_beyond_all_that_squares_are_refused():
    """A deviation would be infinite there."""
    model = regressor().fit(*training(*DATA))
    far = np.full((1, 42), 1e200)
    with pytest.raises(ValueError, match="scale the features"):
        model.predict(far, return_std=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_labels_beyond_the_precision_of_rows_are_refused(dtype):
    """The source would cast them to infinity."""
    X, y = training(*DATA)
    with pytest.raises(ValueError, match=rf"X has dtype {np.dtype(dtype).name}.* cannot hold y"):
        regressor(LinearRegression()).fit(pd.DataFrame(X.astype(dtype)), 1e60 * y)


def test_a_source_that_does_not_vary_guards_nothing():
    """Its columns say the same of every penalty, in numbers."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6, 3))
    task = TargetTask(
        points,
        np.ones(6),
        rng.normal(size=(6, 1)),
        1,
        6,
        np.zeros((6, 2)),
        np.zeros(3),
        np.ones(3),
    )
    said = guard_of(task, np.ones(3))
    assert np.isfinite(said).all() and np.ptp(said) == 0


# -- what cannot be learned from ------------------------------------------------------------------


class Blind(LinearRegression):
    """A regressor that predicts no number."""

    def predict(self, X):
        return np.full(len(X), np.nan)


def test_numbers_and_sources_of_the_wrong_shape():
    """Errors name the shape, or the regressor and how many outputs it has."""
    X, y = training(*instruments())
    model = CrossModalTransferRegressor(aligner=NullSpaceAligner(modalities=NAMES))
    with pytest.raises(ValueError, match="array with dim 3"):
        model.fit(X, y[:, None, None])
    with pytest.raises(ValueError, match="estimator=Blind predicts NaN or infinity"):
        clone(model).set_params(estimator=Blind()).fit(X, y)
    two = FrozenEstimator(LinearRegression().fit(X[LABELLED, :12], np.tile(y[:120, None], 2)))
    with pytest.raises(ValueError, match="LinearRegression predicts 2 outputs, but y has 1"):
        clone(model).set_params(estimator=two).fit(X, y)


def test_rows_that_are_all_the_same():
    """Two different ones are needed, labelled or paired."""
    X, y = training(*instruments())
    model = CrossModalTransferRegressor(aligner=NullSpaceAligner(modalities=NAMES))
    same, number = X.copy(), y.copy()
    same[LABELLED, :12], number[LABELLED] = X[0, :12], 1.0
    with pytest.raises(ValueError, match="one different labelled row of the source"):
        clone(model).set_params(estimator=LinearRegression()).fit(same, number)


def test_groups_of_labelled_rows_go_into_one_fold():
    """Rows of a group are held out together, so that their copies do not teach each other."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    seen = Labelled(
        X=rng.normal(size=(120, 3)),
        y=rng.normal(size=(120, 1)),
        weights=np.ones(120),
        block=None,
        params={},
        flat=True,
        default=False,
        groups=groups,
    )
    folds = _folds(seen)
    assert len(np.unique(folds)) > 1
    for group in range(30):
        assert len(np.unique(folds[groups == group])) == 1


def test_labels_count_alike_where_nothing_is_noisy():
    """Neither the labels nor what the source says of them."""
    assert worth_of_labels(np.zeros(2), np.zeros(2)) == 1.0
    assert worth_of_labels(np.ones(2), None) == 1.0
    assert worth_of_labels(np.ones(2), 3 * np.ones(2)) == 0.25
