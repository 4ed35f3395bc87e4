"""Displays show what was computed, by names that scikit-learn's have."""

import inspect
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch

import skalign.inspection
from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.inspection import (
    AlignmentDisplay,
    CorrelationDisplay,
    LagDisplay,
    LoadingsDisplay,
    TransferDisplay,
)
from skalign.inspection._advice import is_far_from_zero
from skalign.inspection._input import PairedRows, read_rows
from skalign.inspection._lag import checked_groups, fit_options
from skalign.inspection._plot import (
    COLORS,
    check_matplotlib,
    class_colors,
    classes_drawn,
    legend_below,
)

rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)
DATA = make_paired_gaussians(
    360, n_features=(5, 8), n_latent=3, n_classes=3, noise=0.5, random_state=0
)
X, Y = DATA.X, DATA.y
ALIGNER = NullSpaceAligner(modalities={"video": range(5), "imu": range(5, 13)}).fit(X)


@pytest.fixture(scope="module")
def transfer():
    """A transfer from 120 labelled rows over 240 pairs."""
    Z, y = X.copy(), np.where(np.arange(360) < 120, Y, -1)
    Z[:120, 5:] = np.nan
    return CrossModalTransferClassifier(aligner=ALIGNER).fit(Z, y)


def drawn(name, model, ax=None, **options):
    """A display by its name."""
    call = getattr(skalign.inspection, name).from_estimator
    if name == "LoadingsDisplay":
        return call(model, ax=ax, **options)
    if name != "LagDisplay":
        options["random_state"] = 0
    return call(model, X, ax=ax, **options)


NAMES = sorted(name for name in skalign.inspection.__all__ if name.endswith("Display"))


@pytest.mark.parametrize("name", NAMES)
def test_protocol(name, transfer):
    """Drawn into axes that are given, or new ones; titles and labels; artists are kept."""
    from matplotlib.figure import Figure

    n = 2 if name == "LoadingsDisplay" else None
    given = Figure().subplots(1, n or 1)
    display = drawn(name, transfer, given)
    axes = display.ax_ if n is None else display.axes_
    assert display.figure_ is np.ravel(given)[0].figure
    assert list(np.ravel(axes)) == list(np.ravel(given))
    for axis in np.ravel(axes):
        assert axis.get_title() and axis.get_xlabel() and axis.get_ylabel()
    again = display.plot()
    assert again is display and display.figure_ is not np.ravel(given)[0].figure
    display.figure_.canvas.draw()
    artists = [value for key, value in vars(display).items() if key.endswith("_")]
    assert len(artists) >= 3
    for option in inspect.signature(display.plot).parameters:
        assert option == "ax" or option.endswith("_kw")


@pytest.mark.parametrize("name", NAMES)
def test_frozen_and_unfitted(name, transfer):
    """A frozen model is the model; one that is not fitted, or something else, is refused."""
    drawn(name, FrozenEstimator(transfer))
    with pytest.raises(ValueError, match="not fitted"):
        drawn(name, CrossModalTransferClassifier())
    with pytest.raises(TypeError, match=f"{name} got Figure: pass a fitted"):
        drawn(name, type("Figure", (), {})())


@pytest.mark.parametrize(
    ("name", "option", "artist"),
    [
        ("CorrelationDisplay", {"bar_kw": {"alpha": 0.125}}, lambda d: d.bars_[0]),
        ("CorrelationDisplay", {"band_kw": {"alpha": 0.125}}, lambda d: d.band_artist_),
        ("AlignmentDisplay", {"line_kw": {"alpha": 0.125}}, lambda d: d.lines_),
        ("AlignmentDisplay", {"point_kw": {"alpha": 0.125}}, lambda d: d.points_[0]),
        ("TransferDisplay", {"point_kw": {"alpha": 0.125}}, lambda d: d.points_[0]),
        ("TransferDisplay", {"surface_kw": {"alpha": 0.125}}, lambda d: d.surface_),
        ("LoadingsDisplay", {"bar_kw": {"alpha": 0.125}}, lambda d: d.bars_[0][0]),
        ("LagDisplay", {"line_kw": {"alpha": 0.125}}, lambda d: d.line_),
        ("LagDisplay", {"band_kw": {"alpha": 0.125}}, lambda d: d.band_),
        ("LagDisplay", {"mark_kw": {"alpha": 0.125}}, lambda d: d.mark_),
    ],
)
def test_options_of_artists(name, option, artist, transfer):
    """Keyword arguments reach their artist."""
    assert artist(drawn(name, transfer, **option)).get_alpha() == 0.125


def test_without_matplotlib():
    """The error names the extra; the package itself does not need matplotlib."""
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from skalign import NullSpaceAligner\n"
        "from skalign.inspection import LoadingsDisplay, report\n"
        "import numpy as np\n"
        "X = np.random.default_rng(0).normal(size=(90, 4)); X[:, 2:] += X[:, :2]\n"
        "a = NullSpaceAligner().fit(X)\n"
        "for call in (lambda: LoadingsDisplay.from_estimator(a), lambda: report(a, X)):\n"
        "    try:\n"
        "        call()\n"
        "    except ImportError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and all('pip install "skalign[plot]"' in line for line in lines)


# -- correlations ---------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(rngs, st.integers(2, 3), st.integers(1, 3))
def test_shuffles_keep_modalities(rng, n_modalities, width):
    """Rows of each modality stay what they are, and rows have what they had."""
    aligner = NullSpaceAligner(modalities=[width] * n_modalities, n_components=1)
    Z = rng.normal(size=(40, n_modalities * width))
    aligner.fit(Z)
    missing = rng.random((40, n_modalities)) < 0.2
    missing[missing.all(axis=1), 0] = False
    Z[np.repeat(missing, width, axis=1)] = np.nan
    rows = read_rows(aligner, aligner, Z, "test")
    shuffled = rows.shuffled(np.random.RandomState(0))
    np.testing.assert_array_equal(np.isnan(shuffled), np.isnan(Z))
    for m in range(n_modalities):
        block = slice(m * width, (m + 1) * width)
        before, after = (
            np.array(sorted(A[~missing[:, m], block].tolist())) for A in (Z, shuffled)
        )
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(shuffled[:, :width], Z[:, :width])


def test_shuffles_share_nothing():
    """Of unrelated pairs one in twenty is above all of 19 shuffles."""
    above = 0
    for seed in range(50):
        Z = np.random.default_rng(seed).normal(size=(40, 7)) ** 3  # heavy tails
        aligner = NullSpaceAligner(1, modalities=[3, 4]).fit(Z)
        options = {"n_permutations": 19, "quantile": 1.0, "random_state": seed}
        display = CorrelationDisplay.from_estimator(aligner, Z, ax=_no_axes(), **options)
        above += display.correlations[0] > display.band_[0]
    assert 0 < above <= 7  # of 50: two or three are expected


def _no_axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_correlations_are_canonical():
    """Bars by an oracle: singular values between orthonormal bases."""
    aligner = NullSpaceAligner(2, modalities=[5, 8], shrinkage=None).fit(X)
    display = CorrelationDisplay.from_estimator(aligner, X, n_permutations=2, random_state=0)
    bases = [np.linalg.qr(B - B.mean(axis=0))[0] for B in (X[:, :5], X[:, 5:])]
    expected = np.linalg.svd(bases[0].T @ bases[1])[1]
    np.testing.assert_allclose([bar.get_height() for bar in display.bars_], expected, atol=1e-9)
    without = CorrelationDisplay.from_estimator(aligner)
    assert without.band_ is None and without.band_artist_ is None and len(without.bars_) == 2


@settings(deadline=None, max_examples=40)
@given(rngs, st.integers(1, 8), st.integers(0, 8), st.floats(0, 1))
def test_band(rng, k, n_shared, quantile):
    """Largest of shuffled pairs for what is shared, then one after another."""
    null = -np.sort(-rng.random((30, k)), axis=1)
    n_shared = min(n_shared, k)
    options = {"pvalues": np.where(np.arange(k) < n_shared, 0.0, 0.5), "quantile": quantile}
    display = CorrelationDisplay(np.ones(k), null_correlations=null, **options)
    for j in range(k):
        expected = np.quantile(null[:, max(j - n_shared, 0)], quantile)
        np.testing.assert_allclose(display.band_[j], expected)
    mixed = CorrelationDisplay(np.ones(k), null_correlations=rng.permutation(null), **options)
    np.testing.assert_array_equal(mixed.band_, display.band_)


def test_exact_components_are_marked():
    """Of pairs without noise."""
    exact = make_paired_gaussians(200, n_features=(5, 6), random_state=0).X
    aligner = NullSpaceAligner(modalities=[5, 6]).fit(exact)
    display = CorrelationDisplay.from_estimator(aligner)
    assert display.kinds().tolist() == [0] * aligner.n_exact_components_
    assert "exact: 2" in display.ax_.get_legend_handles_labels()[1]


# -- loadings -------------------------------------------------------------------------------------


def test_loadings_by_name():
    """Bars are correlations of named columns with the latent, largest first, in any order."""
    order = np.random.default_rng(0).permutation(13)
    names = np.array([f"f{j}" for j in range(13)])
    frame = pd.DataFrame(X[:, order], columns=names[order])
    frame.insert(3, "word", "x")
    kinds = {"video": [f"f{j}" for j in range(5)], "imu": [f"f{j}" for j in range(12, 4, -1)]}
    aligner = NullSpaceAligner(2, modalities=kinds).fit(frame)
    display = LoadingsDisplay.from_estimator(aligner, 1, top=4)
    for m, (columns, shown, values) in enumerate(
        zip(kinds.values(), display.features_, display.values_, strict=True)
    ):
        latent = aligner.encoders_[m].transform(frame[columns])[:, 1]
        expected = {name: np.corrcoef(frame[name], latent)[0, 1] for name in columns}
        assert len(shown) == 4
        assert (
            min(abs(expected[name]) for name in shown) == sorted(map(abs, expected.values()))[-4]
        )
        np.testing.assert_allclose(values, [expected[name] for name in shown], atol=0.02)
        assert np.all(np.diff(np.abs(values)) <= 0)
        ticks = [tick.get_text() for tick in display.axes_[m].get_yticklabels()]
        assert ticks == list(shown)
        assert [bar.get_width() for bar in display.bars_[m]] == list(values)
    limits = {axes.get_xlim() for axes in display.axes_}
    assert limits == {(-1, 1)}


def test_loadings_without_names():
    """Columns of a modality are counted; names may be given."""
    display = LoadingsDisplay.from_estimator(ALIGNER, top=50)
    assert sorted(display.features_[0]) == [f"column {j}" for j in range(5)]
    named = LoadingsDisplay.from_estimator(ALIGNER, feature_names=[f"n{j}" for j in range(13)])
    assert sorted(named.features_[1]) == sorted(f"n{j}" for j in range(5, 13))
    with pytest.raises(ValueError, match="feature_names has shape"):
        LoadingsDisplay.from_estimator(ALIGNER, feature_names=["a"])
    with pytest.raises(ValueError, match="component=9: the aligner has n_components_="):
        LoadingsDisplay.from_estimator(ALIGNER, 9)
    with pytest.raises(ValueError, match="draws 2 panels, and ax has 1"):
        LoadingsDisplay.from_estimator(ALIGNER, ax=_no_axes())


# -- partners -------------------------------------------------------------------------------------


def test_partners_are_encodings():
    """Lines go from the encoding by one modality to that by the other."""
    display = AlignmentDisplay.from_estimator(ALIGNER, X, max_pairs=400, components=(1, 0))
    for m, columns in enumerate((slice(0, 5), slice(5, 13))):
        expected = ALIGNER.encoders_[m].transform(X[:, columns])[:, [1, 0]]
        np.testing.assert_allclose(display.latents[m], expected)
        ends = np.array([segment[m] for segment in display.lines_.get_segments()])
        np.testing.assert_allclose(ends, expected)
    assert "component 2" in display.ax_.get_xlabel()


def test_pairs_are_drawn_at_random():
    """No more than asked for, complete ones, the same by the same seed; with their classes."""
    Z = X.copy()
    Z[::3, :5] = np.nan
    one, same, other = (
        AlignmentDisplay.from_estimator(ALIGNER, Z, Y, max_pairs=20, random_state=seed)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.latents, same.latents)
    assert not np.array_equal(one.latents, other.latents) and len(one.latents[0]) == 20
    chosen = ALIGNER.encoders_[0].transform(X[:, :5])[:, :2]
    rows = [int(np.flatnonzero((chosen == z).all(axis=1))[0]) for z in one.latents[0]]
    assert np.all(np.array(rows) % 3 > 0) and rows == sorted(rows)
    assert [Y[row] for row in rows] == one.y.tolist()
    points = sum(len(p.get_offsets()) for p in one.points_)
    assert points == 40 and len(one.points_) == 2 * len(set(one.y.tolist()))
    Z[:, :5] = np.nan
    with pytest.raises(ValueError, match="needs pairs"):
        AlignmentDisplay.from_estimator(ALIGNER, Z)


def test_gap():
    """Zero where partners meet, about one where they are strangers."""
    rng = np.random.default_rng(0)
    Z, W = rng.normal(size=(2, 500, 2))
    assert AlignmentDisplay([Z, Z]).gap_ == 0
    assert 0.9 < AlignmentDisplay([Z, W]).gap_ < 1.1
    assert AlignmentDisplay([Z[:1], Z[:1]]).gap_ == 0
    with pytest.raises(ValueError, match="rows paired"):
        AlignmentDisplay([Z, W[:9]])


@pytest.mark.parametrize(("n_components", "shown"), [(4, (1, 2)), (2, (0, 1)), (1, (0,))])
def test_components_drawn_by_default(n_components, shown):
    """Those that are not exact, if there are two."""
    Z = X.copy()
    Z[:, 12] = Z[:, 0]
    aligner = NullSpaceAligner(n_components, modalities=[5, 8]).fit(Z)
    assert aligner.n_exact_components_ == 1
    assert AlignmentDisplay.from_estimator(aligner, Z, random_state=0).components == shown


def test_one_component_and_three_modalities():
    """A line for each modality; of three a line goes on to the third."""
    aligner = NullSpaceAligner(1, modalities=[5, 4, 4]).fit(X)
    display = AlignmentDisplay.from_estimator(aligner, X, Y.astype(str), random_state=0)
    assert {segment.shape for segment in map(np.array, display.lines_.get_segments())} == {(3, 2)}
    ticks = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert ticks == list(aligner.modality_names_)


# -- regions --------------------------------------------------------------------------------------


def test_regions_of_two_features_are_the_classifier():
    """Every point of the plane has the class that is predicted there."""
    plane = make_paired_gaussians(400, n_features=(4, 2), noise=0.5, random_state=0)
    y = np.where(np.arange(400) < 200, plane.y, -1)
    aligner = NullSpaceAligner(modalities={"a": range(4), "b": [5, 4]})
    model = CrossModalTransferClassifier(aligner=aligner).fit(plane.X, y)
    display = TransferDisplay.from_estimator(model, plane.X, plane.y, grid_resolution=25)
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    expected = model.target_classifier_.predict(grid)
    np.testing.assert_array_equal(model.classes_[display.response.ravel()], expected)
    assert display.fidelity_ == 1
    np.testing.assert_array_equal(display.points, plane.X[:, [5, 4]])
    assert display.ax_.get_xlabel() == "column 0"


def test_regions_follow_the_classifier(transfer):
    """Most rows lie in the region of their predicted class; colours are true classes or these."""
    Z = X.copy()
    Z[:7, 5:] = np.nan
    display = TransferDisplay.from_estimator(transfer, Z, Y, max_rows=1000, random_state=0)
    assert len(display.points) == 353 and display.fidelity_ > 0.85
    expected = transfer.target_classifier_.predict(X[7:, 5:])
    np.testing.assert_array_equal(transfer.classes_[display.predicted], expected)
    assert [len(p.get_offsets()) for p in display.points_] == np.bincount(Y[7:]).tolist()
    told = TransferDisplay.from_estimator(transfer, Z, np.full(360, -1), max_rows=1000)
    assert [len(p.get_offsets()) for p in told.points_] == [
        np.sum(told.predicted == c) for c in np.unique(told.predicted)
    ]
    Z[1:, 5:] = np.nan
    with pytest.raises(ValueError, match="needs rows with the target"):
        TransferDisplay.from_estimator(transfer, Z)


def test_regions_of_predictions(transfer):
    """Of more than two features the same as of the classifier that predicted them."""
    proba = transfer.target_classifier_.predict_proba(X[:, 5:])
    options = {"max_rows": 100, "random_state": 0, "grid_resolution": 30}
    found = TransferDisplay.from_predictions(X[:, 5:], proba, Y, **options)
    expected = TransferDisplay.from_estimator(transfer, X, Y, **options)
    for name in ("xx0", "xx1", "response", "points", "predicted"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.fidelity_ == expected.fidelity_
    with pytest.raises(ValueError, match="classes has 2 entries, for 3 columns"):
        TransferDisplay.from_predictions(X[:, 5:], proba, classes=["a", "b"])
    with pytest.raises(ValueError, match="inconsistent numbers"):
        TransferDisplay.from_predictions(X[:9, 5:], proba)
    two = TransferDisplay.from_predictions(X[:, 5:7], proba, feature_names=["a", "b"])
    assert two.ax_.get_xlabel() == "a" and 0.5 < two.fidelity_ < 1


@pytest.mark.parametrize("width", [1, 3])
def test_regions_of_narrow_targets_and_constant_columns(width):
    """One feature, constant columns, a class that is predicted alone: still a plane."""
    narrow = make_paired_gaussians(200, n_features=(4, width), n_latent=1, noise=1, random_state=0)
    y = np.where(np.arange(200) < 100, narrow.y, -1)
    aligner = NullSpaceAligner(modalities=[4, width])
    model = CrossModalTransferClassifier(aligner=aligner).fit(narrow.X, y)
    display = TransferDisplay.from_estimator(model, narrow.X)
    assert np.isfinite(display.points).all() and display.fidelity_ > 0.8
    same = np.tile(narrow.X[:1], (5, 1))
    alone = TransferDisplay.from_estimator(model, same)
    assert np.isfinite(alone.points).all() and alone.fidelity_ == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CorrelationDisplay([]), "at least one"),
        (lambda: CorrelationDisplay([0.5], pvalues=[0.1, 0.2]), "pvalues has shape"),
        (lambda: CorrelationDisplay([0.5], quantile=2), "quantile=2"),
        (
            lambda: CorrelationDisplay.from_estimator(ALIGNER, X, n_permutations=0),
            "n_permutations=0",
        ),
        (lambda: AlignmentDisplay.from_estimator(ALIGNER, X, max_pairs=0), "max_pairs=0"),
        (lambda: AlignmentDisplay.from_estimator(ALIGNER, X, components=(0, 7)), "components=7"),
        (lambda: AlignmentDisplay.from_estimator(ALIGNER, X, Y[:5]), "inconsistent numbers"),
        (lambda: AlignmentDisplay.from_estimator(ALIGNER, X[:, :7]), "7 features"),
        (lambda: LoadingsDisplay([[1.0]], [["a", "b"]], ["m"]), "one name a feature"),
        (lambda: LoadingsDisplay([[1.0]], [["a"]], ["m", "n"]), "give one each"),
        (lambda: LagDisplay([0], [[np.nan]], [[0]]), "NaN everywhere"),
        (lambda: LagDisplay([0], [0.1], [1]), "n_folds"),
    ],
)
def test_bad_input(call, message):
    """Errors name what is wrong."""
    with pytest.raises(ValueError, match=message):
        call()


def test_paired_rows():
    """Pairs are the rows that have every modality."""
    present = np.array([[True, True], [True, False], [True, True]])
    rows = PairedRows(np.zeros((3, 2)), present, ALIGNER._blocks)
    assert rows.pairs.tolist() == [0, 2]


# -- parts of figures -----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, len(COLORS), len(COLORS) + 1, 10, 11, 40])
def test_every_class_has_a_colour_of_its_own(n):
    """However many there are."""
    assert len({str(color) for color in class_colors(n)}) == n


def test_rows_without_any_class_are_drawn_nameless():
    """Whether there are no labels, or none is known."""
    for y in ((None, 4), (np.full(4, -1), ["a", "b"])):
        ((name, rows, _, _),) = classes_drawn(y)
        assert name == "" and rows.tolist() == [True] * 4


def test_a_legend_of_nothing_is_left_out():
    """No empty box under the axes."""
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    legend_below(axes)
    assert axes.get_legend() is None


def test_the_extra_is_named_where_matplotlib_is_missing(monkeypatch):
    """Instead of a name that nobody has asked for."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        ImportError, match=r'report needs matplotlib: pip install "skalign\[plot\]"'
    ):
        check_matplotlib("report")


def test_displays_of_wrong_shapes():
    """Errors name what must fit."""
    grid = np.zeros((3, 3))
    with pytest.raises(ValueError, match="must have one shape"):
        TransferDisplay(grid, grid[:2], grid, np.zeros((4, 2)), np.zeros(4), [0, 1])
    with pytest.raises(ValueError, match="two coordinates a row"):
        TransferDisplay(grid, grid, grid, np.zeros((4, 3)), np.zeros(4), [0, 1])
    Z = np.zeros((5, 2))
    with pytest.raises(ValueError, match="one or two components can be drawn"):
        AlignmentDisplay([Z[:0], Z[:0]])
    with pytest.raises(ValueError, match="2 latents, and 3 modality_names"):
        AlignmentDisplay([Z, Z], modality_names="abc")


def test_correlations_alone_are_drawn():
    """Without p-values, shuffled pairs or their number there are bars, and no more is said."""
    display = CorrelationDisplay([0.9, 0.2]).plot()
    assert len(display.bars_) == 2 and display.band_artist_ is None
    assert display.ax_.get_legend() is None and "pairs" not in display.ax_.get_title()
    assert display.kinds().tolist() == [1, 1]


def test_labels_of_which_none_is_known_are_none():
    """Then points have no true classes."""
    xx0, xx1 = np.meshgrid(np.linspace(-1, 1, 3), np.linspace(-1, 1, 3))
    points, predicted = np.zeros((4, 2)), np.zeros(4, dtype=int)
    display = TransferDisplay(xx0, xx1, xx0 * 0, points, predicted, [0, 1], y=np.full(4, -1))
    assert display.y is None


def test_lags_of_rows_without_groups_and_of_two_of_three_modalities():
    """All rows are one sequence; each modality keeps its shrinkage."""
    assert checked_groups(None, 3).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r"groups must be 1-D.*got shape \(3, 2\)"):
        checked_groups(np.zeros((3, 2)), 3)
    options = fit_options(NullSpaceAligner(shrinkage=[0.1, 0.2, 0.3]), 0, 2)
    assert options["shrinkage"] == [0.1, 0.3] and options["n_components"] is None


def test_a_lag_that_was_not_tried_is_not_compared():
    """Without lag 0 nothing is far from it."""
    lag = Bunch(lags=np.array([1, 2]), best_lag_=2, means_=[0.1, 9.0], errors_=[0.1, 0.1])
    assert not is_far_from_zero(lag)
