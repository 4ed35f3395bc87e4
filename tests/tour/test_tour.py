"""The tour: its command line, its tables, and what it does without matplotlib."""

import re
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skalign import __main__ as cli
from skalign._tour import _experiments as tour

METHODS = (tour.MAJORITY, *tour.TRANSFERS)


@pytest.fixture(scope="module")
def experiment():
    """The paper's experiment, over fewer draws than the tour makes."""
    return tour.paper_experiment(n_draws=20)


@pytest.fixture(scope="module")
def run():
    """One split of the digits."""
    return tour.digits_run(0)


@pytest.fixture
def quick(monkeypatch, experiment, run):
    """Spare the work that other tests look at."""
    monkeypatch.setattr(tour, "paper_experiment", lambda: experiment)
    monkeypatch.setattr(tour, "digits_run", lambda seed: run)


def row_of(text, name):
    """Numbers of the table row with this name."""
    (line,) = re.findall(rf"^ +{re.escape(name)}  +(.*)$", text, flags=re.MULTILINE)
    return line.split()


def test_whole_tour(tmp_path, capsys):
    """Tables on stdout with the paths of three pictures; progress on stderr alone."""
    image = pytest.importorskip("matplotlib.image")
    folder = tmp_path / "new" / "figures"
    assert cli.main(["--seeds", "1", "--output", str(folder)]) == 0
    out, err = capsys.readouterr()

    assert max(len(line) for line in out.splitlines() if str(folder) not in line) <= 80
    assert {len(row_of(out, name)) for name in METHODS} == {3}
    assert {len(row_of(out, name)) for name in tour.PRINTED} == {2}
    printed, found = map(float, row_of(out, "alignment error"))
    assert printed == 3.66e-15 and found <= 1e-13
    assert "split 1 of 1" in err and "split" not in out.replace("random split", "")
    assert "CrossModalTransferClassifier" in out[out.index("What next") :]

    paths = sorted(folder.iterdir())
    assert len(paths) == 3
    for path in paths:
        assert path.suffix == ".png" and f"  {path}\n" in out and str(path) not in err
        pixels = image.imread(path)
        assert pixels.shape[0] >= 500 and pixels.shape[1] >= 1000 and pixels.shape[2] in (3, 4)
        # ink, but mostly paper or a pale tint; more than one hue
        ink = pixels[..., :3].min(axis=2) < 0.5
        assert 0.005 < ink.mean() < 0.5
        assert np.ptp(pixels[..., :3], axis=2).max() > 0.4


def test_tour_without_figures_says_how_to_get_them(tmp_path, monkeypatch, capsys, quick):
    """Nothing is written where nothing was asked for."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["--seeds", "2"]) == 0
    out, err = capsys.readouterr()
    assert "--output DIR" in out and "split 2 of 2" in err
    assert not list(tmp_path.iterdir())


def test_tour_without_matplotlib(tmp_path, monkeypatch, capsys, quick):
    """The tables need no extra, and the hint names it."""
    for name in [n for n in sys.modules if n.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "skalign._tour._figures", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["--seeds", "1", "--output", str(tmp_path / "figures")]) == 0
    out, _ = capsys.readouterr()
    assert 'pip install "skalign[plot]"' in out
    assert row_of(out, tour.SKALIGN) and row_of(out, "alignment error")
    assert not list(tmp_path.iterdir())


def test_paper_errors(experiment):
    """What is exact is at rounding level, and what the text says of the rest is true."""
    errors = experiment.errors
    assert errors["alignment error"] <= 1e-13
    assert errors["reconstruction by pinv(S1)"] <= 1e-13
    assert errors["reconstruction by pinv(S2)"] <= 1e-13
    assert errors["reconstruction error, S1"] > 1
    np.testing.assert_allclose(
        errors["reconstruction error, S1"], errors["reconstruction error, S2"]
    )
    assert experiment.as_printed > 1 and experiment.with_sign <= 1e-12
    np.testing.assert_allclose(experiment.r2, 1, rtol=0, atol=1e-12)
    draws = experiment.over_draws
    assert draws.shape == (20,) and np.ptp(draws) > 1
    assert errors["reconstruction error, S1"] == draws[tour.SEED]


def test_paper_table_shows_the_results(experiment):
    """Each number that was computed is in the text."""
    text = tour.paper_table(experiment)
    draws = experiment.over_draws
    low, middle, high = np.quantile(draws, [0, 0.5, 1])
    assert f"median is {middle:.2f}, its range {low:.2f} to {high:.2f}" in text
    assert f"alignment error of {experiment.as_printed:.1f};" in text
    assert float(row_of(text, "reconstruction error, S1")[0]) == 10.9271


def test_digits_order_of_methods(run):
    """What the tour is there to show."""
    ceiling = max(run[tour.CEILING_LINEAR], run[tour.CEILING_SVC])
    literal = max(run[tour.PAPER], run[tour.PAPER_WIDEST])
    assert run[tour.MAJORITY] < literal < run[tour.SKALIGN] < ceiling
    assert 0.09 < run[tour.MAJORITY] < 0.12
    assert run[tour.SKALIGN] > 0.7


def test_digits_run_is_deterministic(run):
    """The same seed gives the same numbers, another one does not."""
    assert tour.digits_run(0) == run
    assert tour.digits_run(1) != run


def test_digits_table_arithmetic():
    """Means, sample deviations, and shares of the better ceiling."""
    names = (*METHODS, tour.CEILING_LINEAR, tour.CEILING_SVC)
    first = dict(zip(names, (0.1, 0.2, 0.3, 0.4, 0.7, 0.5, 0.9, 0.8), strict=True))
    text = tour.digits_table([first, {**first, tour.SKALIGN: 0.7}])
    assert row_of(text, tour.SKALIGN) == ["0.600", "0.141", "62%"]
    assert row_of(text, tour.MAJORITY) == ["0.100", "0.000", "0%"]
    assert row_of(text, tour.CEILING_LINEAR) == ["0.900", "0.000", "100%"]
    assert tour.CEILING_SVC not in text and "skalign gets 62%" in text
    # a lead of 0.1 by a standard error of 0.1: two splits do not tell
    assert f'No method is best: "{tour.PSEUDO_SVC}" leads "{tour.SKALIGN}"' in text

    text = tour.digits_table([first])
    assert row_of(text, tour.SKALIGN) == ["0.500", "-", "50%"]
    assert "best" not in text and "error" not in text


def accuracies(**rows):
    """Accuracies of all transfers, those not named far behind."""
    given = {getattr(tour, name): np.array(row) for name, row in rows.items()}
    return {name: given.get(name, np.linspace(0.1, 0.2, 4)) for name in tour.TRANSFERS}


def test_best_is_said_of_a_lead_beyond_its_error_only():
    """Pair by pair: what moves both methods alike does not blur their difference."""
    base, wave = np.array([0.5, 0.7, 0.6, 0.8]), np.array([1, -1, 1, -1])
    error = 0.01 * np.sqrt(4 / 3) * np.sqrt(1 / 4 + 1 / 2)  # 0.01
    for lead, best in ((1.01 * error, True), (0.99 * error, False)):
        text = tour.verdict(accuracies(PSEUDO_SVC=base, SKALIGN=base + lead + 0.01 * wave))
        assert (f'best method without them is "{tour.SKALIGN}"' in text) is best
        assert ("within error" in text) is not best
        assert f'"{tour.PSEUDO_SVC}" by 0.010 (standard error 0.010)' in text.replace("\n", " ")


def test_every_method_within_error_is_named():
    """Also one that is third by its mean, but varies more than the second; none that is not."""
    base, wave = np.full(4, 0.5), np.array([0.3, -0.3, 0.3, -0.3])
    rows = {"PAPER": base - 0.1 + wave, "PSEUDO_SVC": base - 0.05, "SKALIGN": base}
    text = tour.verdict(accuracies(**rows)).replace("\n", " ")
    assert f'"{tour.SKALIGN}" leads "{tour.PAPER}" by 0.100' in text and "within error" in text
    assert tour.PSEUDO_SVC not in text and tour.PSEUDO_LINEAR not in text
    text = tour.verdict(accuracies(SKALIGN=base, PSEUDO_SVC=base, PSEUDO_LINEAR=base))
    assert text.count("by 0.000") == 2 and "No method is best" in text


def test_halves_are_left_and_right():
    """Pixels are cut between columns, not between rows."""
    left, right, y = tour.digits_halves()
    assert left.shape == right.shape == (len(y), 32)
    digits = load_digits().images
    np.testing.assert_array_equal(left[7].reshape(8, 4), digits[7, :, :4])
    np.testing.assert_array_equal(right[7].reshape(8, 4), digits[7, :, 4:])


def test_no_label_of_a_right_half_is_learned_from():
    """Labelled rows lack the target, pairs lack the label, and the test is apart."""
    left, right, y = tour.digits_halves()
    labelled, pairs, test = tour.digits_split(y, 3)
    everything = np.concatenate([labelled, pairs, test])
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(y)))
    assert len(labelled) == len(pairs) == len(test)

    X, labels = tour.transfer_data(left, right, y, labelled, pairs)
    n = len(labelled)
    np.testing.assert_array_equal(labels[:n], y[labelled])
    assert (labels[n:] == -1).all()
    np.testing.assert_array_equal(X[:n, :32], left[labelled])
    assert np.isnan(X[:n, 32:]).all()
    np.testing.assert_array_equal(X[n:], np.hstack([left[pairs], right[pairs]]))


@pytest.mark.parametrize("seeds", ["0", "-1", "two", "1.5"])
def test_senseless_seeds_are_refused(seeds, capsys):
    """With the usual exit code and a message that names the option."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([f"--seeds={seeds}"])
    assert stopped.value.code == 2
    assert "--seeds" in capsys.readouterr().err


def test_output_that_is_a_file_is_refused(tmp_path, capsys):
    """Before any work is done."""
    pytest.importorskip("matplotlib")
    file = tmp_path / "taken"
    file.write_text("mine")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--output", str(file)])
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert "--output" in err and not out and file.read_text() == "mine"


def test_help_of_the_module():
    """``python -m skalign --help`` works, and imports without a warning."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "skalign", "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--output DIR" in done.stdout and "--seeds N" in done.stdout
    assert not done.stderr
