"""Sources and targets that never met, several sources, several targets."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV

from skalign import (
    CrossModalTransferClassifier,
    CrossModalTransferRegressor,
    NullSpaceAligner,
    ZeroShotClassifier,
)
from skalign._blocks import chains
from skalign.datasets import make_paired_gaussians
from skalign.model_selection import TransferSplit

few = settings(max_examples=5, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
WIDTHS = [5, 7, 6, 4]
NAMES = ["video", "imu", "radar", "radio"]
EDGES = np.cumsum([0, *WIDTHS])
MODALITIES = {name: slice(EDGES[m], EDGES[m + 1]) for m, name in enumerate(NAMES)}


def keep(X, rows, *modalities):
    """Some rows have no more than some modalities."""
    for m in set(range(len(NAMES))) - set(modalities):
        X[rows, EDGES[m] : EDGES[m + 1]] = np.nan


def task(seed=0, n=300, links=((0, 1), (1, 2), (2, 3))):
    """Labelled rows of video, `n` rows of each link, and new ones of all; and all labels."""
    data = make_paired_gaussians(
        (len(links) + 2) * n, n_features=WIDTHS, n_latent=3, noise=0.5, random_state=seed
    )
    X, y = data.X.copy(), data.y.copy()
    keep(X, slice(0, n), 0)
    for i, link in enumerate(links, 1):
        keep(X, slice(i * n, (i + 1) * n), *link)
    y[n:] = -1
    end = (len(links) + 1) * n
    return X[:end], y[:end], X[end:], data.y[end:], data


def built(kind, n_modalities=3, **options):
    """An estimator of the first few modalities, from video."""
    aligner = NullSpaceAligner(modalities={k: MODALITIES[k] for k in NAMES[:n_modalities]})
    return kind(aligner=aligner, **{"source": "video", **options})


def transfer(**options):
    return built(CrossModalTransferClassifier, **options)


def alone(X, m):
    X = X.copy()
    keep(X, slice(None), m)
    return X


# -- chains --------------------------------------------------------------------------------------


def steps_to(meet, sources):
    """Fewest links from the sources to each modality, by powers of the graph; the oracle."""
    reached, steps = np.isin(np.arange(len(meet)), sources), {}
    for step in range(1, len(meet)):
        new = meet[reached].any(axis=0) & ~reached
        steps |= dict.fromkeys(np.flatnonzero(new).tolist(), step)
        reached |= new
    return steps


@settings(max_examples=100, deadline=None)
@given(generators, st.integers(2, 7), st.integers(1, 2))
def test_chains_are_shortest_and_lead_on(rng, n_modalities, n_sources):
    """Each link joins modalities that share rows, no shorter way exists, and none is unneeded."""
    present = rng.random((6, n_modalities)) < 0.3
    sources = rng.permutation(n_modalities)[:n_sources].tolist()
    meet = (present.T.astype(int) @ present) > 0
    steps = steps_to(meet, sources)
    found = chains(present, sources)
    assert set(found) == set(steps)
    order = list(found)
    for m, before in found.items():
        assert steps[m] == (1 if before is None else steps[before] + 1)
        assert meet[m, sources].any() if before is None else meet[m, before]
        assert before is None or order.index(before) < order.index(m)
    for target in set(range(n_modalities)) - set(sources):
        path = chains(present, sources, [target])
        assert len(path) == steps.get(target, 0)
        assert all(found[m] == k for m, k in path.items())


@pytest.mark.parametrize("mixture", [None, GaussianMixture(4)])
def test_a_chain_is_as_good_as_pairs(mixture):
    """Radar, which never met video, through IMU: at the accuracy of as many pairs with video."""
    options = {"target": "radar", "mixture": mixture, "random_state": 0}
    chain, direct = [], []
    for seed in range(4):
        for links, scores in (((0, 1), (1, 2)), chain), (((0, 2), (0, 1)), direct):
            X, y, new, truth, _ = task(seed, links=links)
            model = transfer(**options).fit(X, y)
            scores.append(model.score(alone(new, 2), truth))
    assert np.mean(chain) > np.mean(direct) - 0.03
    assert min(chain) > 0.6  # chance is .5


def test_two_links_of_a_chain():
    """Radio, by IMU and radar: only what predicts is kept, and it can be shipped."""
    X, y, new, truth, _ = task()
    model = transfer(n_modalities=4, target="radio").fit(X, y)
    assert list(model.classifiers_) == [3]
    assert model.score(alone(new, 3), truth) > 0.8
    shipped = pickle.loads(pickle.dumps(model.target_classifier_))
    np.testing.assert_array_equal(
        shipped.predict(new[:, EDGES[3] :]), model.predict(alone(new, 3))
    )


def test_all_of_a_chain_speak():
    """With ``predict_from="available"`` every modality of the chain has a classifier."""
    X, y, new, truth, _ = task()
    model = transfer(n_modalities=4, target="radio", predict_from="available").fit(X, y)
    assert set(model.classifiers_) == {1, 2, 3}
    own = model.score(alone(new, 3), truth)
    assert model.score(new, truth) >= own


def test_no_label_beyond_the_source_crosses_a_chain():
    """Where labels of other rows are not to teach, changing them changes nothing."""
    X, y, new, _, data = task(links=((0, 1), (1, 2)))
    changed = y.copy()
    changed[-200:] = data.y[: len(y)][-200:]
    wrong = y.copy()
    wrong[-200:] = 1 - changed[-200:]
    options = {"target": "radar", "target_labels": "none"}
    plain, right, false = (
        transfer(**options).fit(X, labels).predict_proba(alone(new, 2))
        for labels in (y, changed, wrong)
    )
    np.testing.assert_array_equal(plain, right)
    np.testing.assert_array_equal(plain, false)


def test_a_link_that_shares_nothing_is_named():
    """Of a chain whose second link is shuffled the prior is what remains."""
    X, y, new, _, _ = task(links=((0, 1), (1, 2)))
    rows = np.flatnonzero(np.isfinite(X[:, EDGES[2]]))
    X[rows, EDGES[2] : EDGES[3]] = np.random.default_rng(0).permutation(
        X[rows, EDGES[2] : EDGES[3]]
    )
    with pytest.warns(UserWarning, match="Pairs of 'imu' and 'radar' share nothing"):
        model = transfer(target="radar").fit(X, y)
    assert np.ptp(model.predict_proba(alone(new, 2)), axis=0).max() == 0


@pytest.mark.parametrize(
    "kind", [CrossModalTransferClassifier, CrossModalTransferRegressor, ZeroShotClassifier]
)
def test_what_no_chain_joins(kind):
    """The target is named, by whoever finds out first."""
    X, y, _, _, _ = task(links=((0, 1), (2, 3)))
    y = np.where(y < 0, np.nan, y) if kind is CrossModalTransferRegressor else y
    model = built(kind, n_modalities=4, target="radio")
    message = "the target 'radio', and no chain|modalities 'radar', 'radio' are cut off"
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


# -- several sources, several targets ------------------------------------------------------------


def two_sources(seed=0, n=300):
    """Labelled rows of video, other ones of IMU; pairs of each with radar; new rows."""
    data = make_paired_gaussians(
        5 * n, n_features=WIDTHS, n_latent=3, noise=0.5, random_state=seed
    )
    X, y = data.X.copy(), data.y.copy()
    for i, kept in enumerate([(0,), (1,), (0, 2), (1, 2)]):
        keep(X, slice(i * n, (i + 1) * n), *kept)
    y[2 * n :] = -1
    return X[: 4 * n], y[: 4 * n], X[4 * n :], data.y[4 * n :]


def test_each_source_has_its_own_classifier():
    """Each is fitted to its labelled rows, and a target learns from the pairs of both."""
    X, y, new, truth = two_sources()
    model = transfer(source=["video", "imu"], target="radar").fit(X, y)
    assert model.sources_ == (0, 1) and model.source_ == 0
    for m, estimator in model.estimators_.items():
        rows = np.isfinite(X[:, EDGES[m]]) & (y >= 0)
        expected = LogisticRegression(max_iter=1000).fit(X[rows, EDGES[m] : EDGES[m + 1]], y[rows])
        np.testing.assert_allclose(estimator.coef_, expected.coef_)
    assert model.estimator_ is model.estimators_[0]
    assert model.score(alone(new, 2), truth) > 0.85


def test_the_order_of_sources_does_not_show():
    """Predictions are the same either way."""
    X, y, new, _ = two_sources()
    found = [
        transfer(source=source, target="radar").fit(X, y).predict_proba(alone(new, 2))
        for source in (["video", "imu"], ["imu", "video"])
    ]
    np.testing.assert_allclose(*found, atol=1e-6)


def test_several_targets_are_each_as_alone():
    """Each is what it would be as the only one; of a row that has both they are joined."""
    X, y, new, truth, _ = task(links=((0, 1), (0, 2)))
    both = transfer(target=["imu", "radar"]).fit(X, y)
    assert both.targets_ == (1, 2) and both.target_classifier_ is both.classifiers_[1]
    for m in (1, 2):
        one = transfer(target=m).fit(X, y)
        rows = alone(new, m)
        np.testing.assert_allclose(both.predict_proba(rows), one.predict_proba(rows))
    joined = new.copy()
    keep(joined, slice(None), 1, 2)
    assert both.score(joined, truth) >= max(both.score(alone(new, m), truth) for m in (1, 2))
    other = new.copy()
    other[:, : EDGES[1]] += 5.0  # the source, which is never looked at
    np.testing.assert_allclose(both.predict_proba(other), both.predict_proba(joined))


def test_rows_without_any_target_are_counted():
    """The message names all targets."""
    X, y, new, _, _ = task(links=((0, 1), (0, 2)))
    model = transfer(target=["imu", "radar"]).fit(X, y)
    with pytest.warns(UserWarning, match="lack the target 'imu' or 'radar'"):
        model.predict(alone(new, 0))


def test_lists_go_through_a_search():
    """Roles are hyperparameters like any other."""
    X, y, new, truth = two_sources()
    grid = {"source": ["video", ["video", "imu"]]}
    model = transfer(target="radar")
    assert clone(model).set_params(source=["imu"]).source == ["imu"]
    X, y = np.vstack([X, new]), np.append(y, truth)
    search = GridSearchCV(
        model, grid, cv=TransferSplit(2, modalities=MODALITIES, target=["radar"])
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"source": []}, "source=[] must be a modality, or several different ones"),
        ({"source": ["video", 0]}, "source=['video', 0] must be a modality, or several"),
        ({"target": ["imu", "imu"]}, "target=['imu', 'imu'] must be a modality, or several"),
        ({"source": [0, 1], "target": [1, 2]}, "both name the modality 'imu'"),
        ({"target": ["sound"]}, "target='sound' is no modality"),
    ],
)
def test_roles_that_make_no_sense(roles, message):
    """Parameter and modality are named."""
    X, y, _, _, _ = task()
    with pytest.raises(ValueError, match=re.escape(message)):
        transfer(**{"target": "radar", **roles}).fit(X, y)


def test_one_frozen_classifier_reads_one_source():
    """What it would be asked about the other is not known."""
    X, y, _, _ = two_sources()
    rows = np.isfinite(X[:, 0]) & (y >= 0)
    source = FrozenEstimator(LogisticRegression().fit(X[rows, : EDGES[1]], y[rows]))
    model = transfer(source=["video", "imu"], target="radar").set_params(estimator=source)
    with pytest.raises(ValueError, match="frozen classifier reads one source"):
        model.fit(X, y)


# -- the other estimators ------------------------------------------------------------------------


def test_a_quantity_goes_along_a_chain():
    """R² as with pairs; deviations grow, and cover what they promise."""
    found = {}
    for links in (((0, 1), (1, 2)), ((0, 2), (0, 1))):
        X, _, new, _, data = task(links=links)
        noise = 0.3 * np.random.default_rng(0).normal(size=len(data.latent))
        y = data.latent[:, 0] + noise
        truth, labels = y[len(X) :], y[: len(X)].copy()
        labels[300:] = np.nan
        model = built(CrossModalTransferRegressor, target="radar").fit(X, labels)
        mean, std = model.predict(alone(new, 2), return_std=True)
        covered = np.mean(np.abs(truth - mean) < 1.645 * std)
        found[links[0]] = 1 - np.mean((truth - mean) ** 2) / truth.var(), std.mean(), covered
    (chain, wide, covered), (direct, narrow, _) = found.values()
    assert chain > direct - 0.05
    assert wide > narrow
    assert 0.85 < covered < 0.99


def test_prototypes_reach_along_a_chain():
    """Classes of video found in radar, which never met it, better than chance."""
    X, y, new, truth, _ = task(links=((0, 1), (1, 2)))
    model = built(ZeroShotClassifier, target="radar").fit(X, y)
    assert model.score(alone(new, 2), truth) > 0.7
