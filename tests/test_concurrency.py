"""Threads, processes, Ctrl-C at any point, and the death of a process: what is left of a fit."""

import doctest
import functools
import os
import pickle
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from comparison import difference
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import cross_val_score

import skalign
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
from skalign.model_selection import ConformalTransfer, TransferSplit

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(skalign.__file__).resolve().parent
WIDTHS = (3, 4)


def rows_of(seed):
    """Source alone, pairs, target alone; labels of the source, and numbers that it tells."""
    data = make_paired_gaussians(54, n_features=WIDTHS, noise=0.5, random_state=seed)
    X, y = data.X.copy(), data.y.copy()
    X[:20, WIDTHS[0] :] = np.nan
    X[48:, : WIDTHS[0]] = np.nan
    y[20:] = -1
    return X, y, np.where(y < 0, np.nan, data.latent[:, 0]), data


def scattered(X):
    """The same with single values missing."""
    X = X.copy()
    X[30:40, 0] = np.nan
    return X


FIRST, SECOND = ROWS = rows_of(0), rows_of(1)
ALIGNER = NullSpaceAligner(modalities=WIDTHS)
LABELS = CrossModalTransferClassifier(aligner=ALIGNER)
# Estimators, and what their fit gets of rows_of.
CASES = {
    "aligner": (ALIGNER, lambda X, y, t, data: (X,)),
    "imputer of blocks": (BlockImputer(modalities=WIDTHS), lambda X, y, t, d: (scattered(X),)),
    "imputer": (CrossModalImputer(ALIGNER), lambda X, y, t, data: (X,)),
    "labels": (LABELS, lambda X, y, t, data: (X, y)),
    "mixture": (
        clone(LABELS).set_params(mixture=GaussianMixture(4), random_state=0),
        lambda X, y, t, data: (X, y),
    ),
    "available": (
        clone(LABELS).set_params(predict_from="available"),
        lambda X, y, t, data: (X, y),
    ),
    "numbers": (
        CrossModalTransferRegressor(aligner=ALIGNER),
        lambda X, y, t, data: (X, t),
    ),
    "prototypes": (ZeroShotClassifier(ALIGNER), lambda X, y, t, data: (X, y)),
    "retrieval": (CrossModalRetriever(ALIGNER), lambda X, y, t, data: (X,)),
    "gauge": (LatentGauge(), lambda X, y, t, data: (data.latent, 2 * data.latent[:, ::-1])),
    "sets": (
        ConformalTransfer(clone(LABELS).set_params(target_space="aligned"), cv=2, random_state=0),
        lambda X, y, t, data: (X, y),
    ),
}
# Points of interruption, of fits that take long.
POINTS = {"labels": 50, "mixture": 8, "available": 8, "sets": 4}
every_estimator = pytest.mark.parametrize("case", CASES)


@functools.cache
def _fitted(case, number):
    model, given = CASES[case]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few rows
        return clone(model).fit(*given(*ROWS[number]))


def fitted(case, number=0):
    """An estimator of one's own."""
    return deepcopy(_fitted(case, number))


def answers(case, model, rows):
    """What a fitted estimator says of some rows, as an array."""
    given = CASES[case][1](*rows)[0]
    for name in ("predict_set", "predict_proba", "kneighbors", "predict", "transform"):
        if hasattr(model, name):
            said = getattr(model, name)(given[:48] if name == "kneighbors" else given)
            return said[0] if isinstance(said, tuple) else np.asarray(said)
    raise AssertionError(case)


# -- Ctrl-C ---------------------------------------------------------------------------------------


class Interruption:
    """Ctrl-C at one of the points that a call goes through.

    Points are the calls of named functions of the package, and every line of the modules that hold
    estimators, where attributes are set.
    """

    def __init__(self, at=np.inf):
        self.at, self.lines = at, []

    def __call__(self, frame, event, _):
        code = frame.f_code
        if not code.co_filename.startswith(str(PACKAGE)) or code.co_name.startswith("<"):
            return None
        self.lines.append(event != "call")
        if len(self.lines) > self.at:
            raise KeyboardInterrupt
        return self if Path(code.co_filename).name in ROOMS else None

    def during(self, call):
        """Whether the call was interrupted."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            call()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False


ROOMS = {Path(sys.modules[type(m).fit.__module__].__file__).name for m, _ in CASES.values()}


def points_of(call, n=60):
    """Points of interruption, half of them lines of estimators, the last one among them."""
    counted = Interruption()
    assert not counted.during(call)
    kinds = np.array(counted.lines)
    both = [np.flatnonzero(kind) for kind in (kinds, ~kinds)]
    some = [of[np.unique(np.linspace(0, len(of) - 1, n // 2).astype(int))] for of in both]
    return np.append(np.concatenate(some), len(kinds) - 1)


@every_estimator
def test_an_interrupted_fit_leaves_the_old_one_or_the_new_one(case):
    """Never something between; the data, parameters and filters of warnings stay as they were."""
    given, old, new = CASES[case][1], fitted(case), fitted(case, 1)
    data, kept = given(*SECOND), given(*SECOND)
    found = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filters = list(warnings.filters)
        counted = deepcopy(old)
        for at in points_of(lambda: counted.fit(*data), POINTS.get(case, 60)):
            again = deepcopy(old)
            assert Interruption(at).during(lambda: again.fit(*data))  # noqa: B023
            for name, expected in (("old", old), ("new", new)):
                where = difference(vars(again), vars(expected))
                if where is None:
                    found.add(name)
                    break
            else:
                raise AssertionError(f"point {at}: between, at {where}")
            assert warnings.filters == filters
    assert found == {"old", "new"} and difference(data, kept) is None


def seen_so_far(model):
    """Number of pairs in the sums of an aligner, 0 before it has any."""
    return getattr(model, "n_pairs_", 0)


@pytest.mark.parametrize("solver", ["auto", "covariance"])
@pytest.mark.parametrize("first", [True, False])
def test_an_interrupted_partial_fit_counts_a_batch_once_or_not_at_all(first, solver):
    """``n_pairs_`` tells which; who goes on from there ends where nobody was interrupted."""
    X, more = FIRST[0], SECOND[0]
    start = clone(ALIGNER).set_params(solver=solver)
    if not first:
        start.partial_fit(X)
    before, after, found = deepcopy(start), deepcopy(start).partial_fit(more), set()
    counted = deepcopy(start)
    for at in points_of(lambda: counted.partial_fit(more)):
        model = deepcopy(start)
        assert Interruption(at).during(lambda: model.partial_fit(more))  # noqa: B023
        has = seen_so_far(model) > seen_so_far(before)
        found.add(has)
        assert difference(vars(model), vars(after if has else before)) is None
        if not has:
            model.partial_fit(more)
        assert difference(vars(model), vars(after)) is None
    assert found == {True, False}


@pytest.mark.parametrize("name", ["merge", "add_classes"])
def test_an_interrupted_addition_is_done_or_undone(name):
    """Sums of another aligner, classes of a zero-shot classifier; the other one stays as it is."""
    if name == "merge":
        start = clone(ALIGNER).partial_fit(FIRST[0])
        more = (clone(ALIGNER).partial_fit(SECOND[0]),)
    else:
        start = fitted("prototypes")
        more = FIRST[0][:3] + 5.0, [7, 8, 9]
    kept, done, found = deepcopy(more), deepcopy(start), set()
    getattr(done, name)(*more)
    counted = deepcopy(start)
    for at in points_of(lambda: getattr(counted, name)(*more)):
        model = deepcopy(start)
        assert Interruption(at).during(lambda: getattr(model, name)(*more))  # noqa: B023
        where = [difference(vars(model), vars(state)) for state in (start, done)]
        assert None in where, (at, where)
        found.add(where.index(None))
    assert found == {0, 1} and difference(more, kept) is None


def test_an_interrupted_gallery_leaves_the_retriever_alone():
    """A retriever of other rows is another one."""
    model, rows = fitted("retrieval"), SECOND[0]
    before = deepcopy(model)
    for at in points_of(lambda: model.with_gallery(rows), 20):
        assert Interruption(at).during(lambda: model.with_gallery(rows))
        assert difference(vars(model), vars(before)) is None


# -- fits anew ------------------------------------------------------------------------------------


def test_a_fit_anew_forgets_the_one_before():
    """With other options, fewer modalities, no names: as if it were the first."""
    frame = pytest.importorskip("pandas").DataFrame(FIRST[3].X, columns=list("abcdefg"))
    X, y, _, data = FIRST
    three = {"modalities": (2, 2, 3)}
    mixture = GaussianMixture(2, random_state=0)
    known = GaussianMixture(2, random_state=0).fit(data.latent)
    ways = [  # an estimator, options and data of its first fit, and of its second
        (ALIGNER, three, (frame,), {"n_components": 1, "modalities": WIDTHS}, (X,)),
        (BlockImputer(), three, (frame,), {"modalities": WIDTHS}, (X,)),
        (
            CrossModalImputer(),
            {"aligner": NullSpaceAligner(**three)},
            (frame,),
            {"aligner": ALIGNER},
            (X,),
        ),
        (
            LABELS,
            {"aligner": NullSpaceAligner(**three), "mixture": mixture},
            (frame, data.y),
            {"aligner": ALIGNER, "mixture": None},
            (X, y),
        ),
        (LABELS, {}, (X, y), {"mixture": mixture, "target_space": "aligned"}, (X, y)),
        (LABELS, {"predict_from": "available"}, (X, y), {"predict_from": "target"}, (X, y)),
        (
            CrossModalTransferRegressor(aligner=ALIGNER),
            {},
            (frame, data.latent),
            {"estimator": FrozenEstimator(Ridge().fit(data.X[:, :3], data.y))},
            (X, None),
        ),
        (
            ZeroShotClassifier(ALIGNER),
            {},
            (frame, data.y),
            {"source": 1, "target": 0},
            (X, data.y),
        ),
        (CrossModalRetriever(ALIGNER), {}, (frame,), {"metric": "cosine", "cv": None}, (X,)),
        (
            LatentGauge(random_state=0),
            {"mixture": known},
            (data.latent,),
            {"mixture": None},
            (data.latent, data.latent),
        ),
        (
            LatentGauge(random_state=0),
            {"class_means": data.class_means, "fit_intercept": False},
            (data.latent, data.y),
            {"class_means": None, "fit_intercept": True},
            (data.latent, data.latent),
        ),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few rows
        for model, options, given, others, rows in ways:
            again = clone(model).set_params(**options).fit(*given).set_params(**others).fit(*rows)
            once = clone(model).set_params(**options).set_params(**others).fit(*rows)
            assert difference(vars(again), vars(once), type(model).__name__) is None


def test_partial_fit_after_fit_forgets_the_fit():
    """Until there are pairs enough nothing is fitted, and no attribute says otherwise."""
    model = clone(ALIGNER).fit(FIRST[0])
    with pytest.warns(UserWarning, match="starts anew"):
        model.partial_fit(SECOND[0][:21])
    assert difference(vars(model), vars(clone(ALIGNER).partial_fit(SECOND[0][:21]))) is None


# -- threads and processes ------------------------------------------------------------------------


@pytest.fixture
def busy_threads():
    """Threads that take turns often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    with ThreadPoolExecutor(8) as pool:
        yield pool
    sys.setswitchinterval(before)


@every_estimator
def test_threads_share_a_fitted_estimator(case, busy_threads):
    """Eight at once say what one says, and leave it as it was."""
    model, rows = fitted(case), SECOND
    before = deepcopy(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows without the target
        expected = answers(case, model, rows)
        found = list(busy_threads.map(lambda _: answers(case, model, rows), range(16)))
    for said in found:
        np.testing.assert_array_equal(said, expected)
    assert difference(vars(model), vars(before)) is None


@every_estimator
def test_threads_fit_clones_at_once(case, busy_threads):
    """Each gets what it would have got alone."""
    expected = [fitted(case), fitted(case, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, given = CASES[case]
        data = [given(*FIRST), given(*SECOND)]
        numbers = range(2 if case == "sets" else 6)
        found = list(busy_threads.map(lambda k: clone(model).fit(*data[k % 2]), numbers))
    for k, again in enumerate(found):
        assert difference(vars(again), vars(expected[k % 2])) is None


def test_threads_lose_no_warning_and_silence_nobody(busy_threads):
    """Fits held out are silent in their own thread, and only there.

    ``warnings.catch_warnings`` of two threads that overlap would silence the process for good.
    """
    X, _, numbers, _ = FIRST
    apart, model = X.copy(), CrossModalTransferRegressor(aligner=ALIGNER)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for seed in range(20):  # until the target has nothing to say
            noise = np.random.default_rng(seed).normal(size=(28, WIDTHS[1]))
            apart[20:48, WIDTHS[0] :] = noise
            clone(model).fit(apart, numbers)
            if caught:
                break
        assert len(caught) == 1 and "share nothing" in str(caught[0].message)
        both = [X, apart] * 12
        list(busy_threads.map(lambda rows: clone(model).fit(rows, numbers), both))
        warnings.warn("heard", stacklevel=1)
    assert len(caught) == 14


def test_processes_find_what_one_finds():
    """Folds in two processes, bit for bit."""
    data = make_paired_gaussians(90, n_features=WIDTHS, noise=0.5, random_state=0)
    X, y = data.X.copy(), data.y.copy()
    X[:30, WIDTHS[0] :] = np.nan
    y[30:60] = -1
    cv = TransferSplit(2, modalities=WIDTHS)
    numbers = CrossModalTransferRegressor(aligner=ALIGNER)
    for model, labels in ((LABELS, y), (numbers, data.latent[:, 0])):
        splits = list(cv.split(X, y))
        both = [cross_val_score(model, X, labels, cv=splits, n_jobs=n) for n in (1, 2)]
        np.testing.assert_array_equal(*both)


# -- a process that dies --------------------------------------------------------------------------

# Dies while it adds the rows of the third batch, or while it writes what it has learned from them.
KILLER = """
import os, pickle, signal, sys
import numpy as np
{recipe}
from skalign.alignment import _aligner

def die():
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

def dump(state, file):
    if state[0] == 3:
        file.write(pickle.dumps(state)[:1000])
        file.flush()
        die()
    file.write(pickle.dumps(state))

def align(rows, **options):
    if rows.n_pairs == 90:
        die()
    return as_ever(rows, **options)

as_ever = _aligner.align
if sys.argv[1] == "adding":
    _aligner.align = align
if sys.argv[1] == "writing":
    pickle.dump, pickle_dump = dump, pickle.dump
learn(np.load("batches.npy"))
"""


def recipe():
    """Functions that the page on speed tells to write."""
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    page = page[page.index("## Batches, and a process that may die") :]
    sources = [example.source for example in doctest.DocTestParser().get_examples(page)]
    return "".join(s for s in sources if s.startswith(("import ", "from skalign import", "def ")))


@pytest.mark.parametrize("when", ["adding", "writing"])
def test_a_process_that_was_killed_goes_on(when, tmp_path):
    """By the recipe of the page on speed, to the same end as one that was left alone."""
    batches = make_paired_gaussians(120, n_features=WIDTHS, noise=0.5, random_state=0).X
    batches = batches.reshape(4, 30, -1)
    np.save(tmp_path / "batches.npy", batches)
    (tmp_path / "learn.py").write_text(KILLER.format(recipe=recipe()), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    options = {"cwd": tmp_path, "env": environment, "capture_output": True}
    killed = subprocess.run([sys.executable, "learn.py", when], check=False, **options)
    assert killed.returncode == -getattr(signal, "SIGKILL", -signal.SIGTERM)
    assert (tmp_path / "aligner.pickle.part").exists() == (when == "writing")
    done, _ = pickle.loads((tmp_path / "aligner.pickle").read_bytes())
    assert done == 2
    subprocess.run([sys.executable, "learn.py", "quietly"], check=True, **options)
    done, aligner = pickle.loads((tmp_path / "aligner.pickle").read_bytes())
    expected = NullSpaceAligner(modalities=[3, 4])
    for batch in batches:
        expected.partial_fit(batch)
    assert done == 4
    assert difference(vars(aligner), vars(expected)) is None
