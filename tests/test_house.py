"""The house as CONTRIBUTING.md draws it: what may import what, and what may be kept or passed."""

import ast
import functools
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture

import skalign
from skalign import (
    CrossModalImputer,
    CrossModalRetriever,
    CrossModalTransferClassifier,
    CrossModalTransferRegressor,
    LatentGauge,
    NullSpaceAligner,
    ZeroShotClassifier,
)
from skalign.datasets import make_paired_gaussians

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(skalign.__file__).resolve().parent
FILES = sorted(PACKAGE.rglob("*.py"))
OURS = tuple(
    value
    for value in vars(skalign).values()
    if isinstance(value, type) and issubclass(value, BaseEstimator)
)


def drawn_house():
    """Modules from the roof to the ground, as the picture in CONTRIBUTING.md has them."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    picture = re.search(r"```text\nskalign/\n(.*?)```", text, re.S).group(1)
    modules = []
    for line in picture.splitlines():
        first, *rest = re.findall(r"[\w/]+", line.split("  #")[0])
        folder = first.rstrip("/")
        modules += [f"{folder}.{name}" for name in rest] if first.endswith("/") else [first]
    return modules


def module_of(file):
    """Dotted name inside the package; that of a folder for its ``__init__``."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(file):
    """Modules of the package that a file imports, as dotted names inside it."""
    here = list(file.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1] + (node.module or "").split(".")
            base = [part for part in base if part]
            for alias in node.names:
                deeper = PACKAGE.joinpath(*base, alias.name)
                found = deeper.is_dir() or deeper.with_suffix(".py").exists()
                yield ".".join([*base, alias.name] if found else base)


def test_the_picture_is_the_house():
    """Every file is drawn, and nothing else is."""
    here = [module_of(file) for file in FILES if file.stem != "__init__"]
    assert sorted(drawn_house()) == sorted(here)


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_imports_go_down(file):
    """By folder, and inside each folder; a folder's face counts as its highest room."""
    order = drawn_house()

    def floor(module, face):
        places = [
            i for i, name in enumerate(order) if name == module or name.startswith(f"{module}.")
        ]
        return min(places) if face else max(places)

    if file.parent == PACKAGE and file.stem == "__init__":
        return  # the roof: hands names on
    is_face = file.stem == "__init__"
    for imported in imports_of(file):
        if not imported:  # the package itself, which hands on what stands below the tour
            assert module_of(file).split(".")[0] in ("__main__", "_tour")
            continue
        if is_face:
            own = module_of(file)
            assert imported.startswith(own) or floor(imported, True) > floor(own, False)
        else:
            assert floor(imported, True) > floor(module_of(file), False), imported


def test_rooms_are_small():
    """At most eleven files a folder, besides its face, and 500 lines a file."""
    for folder in {file.parent for file in FILES}:
        assert len([f for f in folder.glob("*.py") if f.stem != "__init__"]) <= 11, folder
    for file in FILES:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 500, file


def test_each_question_is_asked_in_one_room():
    """Where rows are, whether they are a collection, and which second moment is kept."""
    owners = {
        r"isinstance\([^)]*DeviceRows": "_array_api.py",
        r"\bis_dask\(": "_dask.py",
        r"(root|scatter) is (not )?None": "_moments.py",
    }
    for question, owner in owners.items():
        asking = [f for f in FILES if re.search(question, f.read_text(encoding="utf-8"))]
        assert [file.name for file in asking] == [owner], question


@functools.cache
def fitted():
    """Fitted estimators of every kind."""
    data = make_paired_gaussians(240, n_features=(5, 6), noise=0.5, random_state=0)
    X, y = data.X.copy(), data.y.copy()
    X[:60, 5:] = np.nan
    X[60:90, :5] = np.nan
    y[60:] = -1
    aligner = NullSpaceAligner(modalities=[5, 6])
    named = NullSpaceAligner(modalities={"a": slice(0, 5), "b": slice(5, 11)})
    source = FrozenEstimator(LogisticRegression().fit(X[:60, :5], y[:60]))
    transfer = functools.partial(CrossModalTransferClassifier, aligner=aligner)
    return [
        clone(aligner).fit(X),
        named.fit(X),
        clone(aligner).partial_fit(X[:150]).partial_fit(X[150:]),
        transfer().fit(X, y),
        transfer(target_space="aligned", predict_from="available").fit(X, y),
        transfer(mixture=GaussianMixture(4, random_state=0)).fit(X, y),
        transfer(source).fit(X),
        CrossModalImputer(aligner).fit(X),
        CrossModalRetriever(aligner).fit(X),
        CrossModalTransferRegressor(aligner=aligner).fit(X, np.where(y < 0, np.nan, y)),
        LatentGauge().fit(data.latent, data.latent),
        ZeroShotClassifier(aligner).fit(X, y),
    ]


def parts(value, seen):
    """A value, and all that it holds."""
    if id(value) in seen:
        return
    seen[id(value)] = value
    yield value
    inner = []
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set):
        inner = list(value)
    elif isinstance(value, np.ndarray) and value.dtype == object:
        inner = list(value.ravel())
    if hasattr(value, "__dict__") and not isinstance(value, type | types.ModuleType):
        inner += list(vars(value).values())
    for item in inner:
        yield from parts(item, seen)


@pytest.mark.parametrize("number", range(12))
def test_what_is_kept_is_public(number):
    """No attribute of a fitted estimator, at any depth, is of a type that only we know."""
    model = fitted()[number]
    for value in parts(model, {}):
        kind = type(value)
        if kind.__module__.partition(".")[0] == "skalign":
            assert kind.__module__ == "skalign"
            assert getattr(skalign, kind.__name__) is kind
        assert not isinstance(value, types.FunctionType | types.MethodType | functools.partial)


def test_no_lower_room_gets_an_estimator():
    """Neither one of ours nor a method of one: only their own rooms know them."""
    own_rooms = {"_given.py"} | {  # those of estimators, and of what all do with a given aligner
        Path(member.__code__.co_filename).name
        for estimator in OURS
        for member in vars(estimator).values()
        if isinstance(member, types.FunctionType)
    }
    passed = []

    def watch(frame, event, _):
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(str(PACKAGE)):
            return
        if Path(code.co_filename).name in own_rooms:
            return
        for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            value = frame.f_locals.get(name)
            for inner in (value, getattr(value, "func", None), getattr(value, "__self__", None)):
                if isinstance(inner, OURS) or isinstance(getattr(inner, "__self__", None), OURS):
                    passed.append(f"{code.co_filename}:{code.co_name} takes {name}")

    data = make_paired_gaussians(40, n_features=(5, 6), noise=0.5, random_state=0)
    sys.setprofile(watch)
    try:
        models = fitted.__wrapped__()
        for model in models:
            for method in ("transform", "impute", "predict", "predict_proba"):
                if hasattr(model, method) and model.n_features_in_ == data.X.shape[1]:
                    getattr(model, method)(data.X)
    finally:
        sys.setprofile(None)
    assert len(models) == 12
    assert sorted(set(passed)) == []
