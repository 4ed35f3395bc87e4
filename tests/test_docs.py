"""The documentation names what there is: every public name, every page, every link."""

import importlib
import importlib.util
import inspect
import re
import tomllib
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import skalign

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MODULES = ["skalign", "skalign.metrics", "skalign.datasets", "skalign.model_selection"]
MODULES += ["skalign.onnx", "skalign.testing"]
MODULES += ["skalign.inspection"] if (ROOT / "skalign" / "inspection").exists() else []


def listed():
    """Full names under autosummary in the API reference."""
    module, names = "", []
    for line in (DOCS / "api.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split()[-1]
        elif re.fullmatch(r"   \w+", line):
            names.append(f"{module}.{line.strip()}")
    return names


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_in_the_reference(name):
    """Each once; modules are sections of it."""
    module = importlib.import_module(name)
    public = [f"{name}.{n}" for n in module.__all__ if not inspect.ismodule(getattr(module, n))]
    assert public
    assert sorted(public) == sorted(n for n in listed() if n.rpartition(".")[0] == name)


def test_the_reference_names_nothing_else():
    """Nothing is listed that is not public, or twice."""
    assert len(set(listed())) == len(listed())
    assert {name.rpartition(".")[0] for name in listed()} == set(MODULES)


def test_every_page_is_reached():
    """From the front page, by tables of contents."""
    reached, left = set(), ["index"]
    while left:
        page = left.pop()
        if page in reached:
            continue
        reached.add(page)
        file = DOCS / f"{page}.md"
        if file.exists():
            text = file.read_text(encoding="utf-8")
            for body in re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL):
                lines = [line.strip() for line in body.splitlines()]
                entries = [line for line in lines if line and line[0] != ":"]
                left += [re.sub(r".*<(.+)>", r"\1", entry) for entry in entries]
    assert {file.stem for file in DOCS.glob("*.md")} <= reached


PAGES = [*DOCS.glob("*.md"), *ROOT.glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]


def anchors(file):
    """Anchors of the headings of a page, as GitHub and MyST make them."""
    text = re.sub(r"```.*?```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in found]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_files_lead_somewhere(page):
    """To a file that is there, and to a heading that it has."""
    text = re.sub(r"```(?!\{).*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        file = (page.parent / path).resolve() if path else page
        if "auto_examples" in path:  # written when the documentation is built
            assert (DOCS / "examples" / f"{file.stem}.py").exists() or file.stem == "index", link
            continue
        if "generated" in path:
            assert file.stem in listed(), link
            continue
        assert file.exists(), link
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), link


def extension(name):
    """A module of docs/_ext, and the tables that stand on its page."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    return module, re.search(r"<!-- table -->\n\n(.*?)\n<!-- end -->", written, re.DOTALL)[1]


def test_the_tables_of_bad_inputs_are_true():
    """They are what comes out when everything is tried again."""
    bad_inputs, written = extension("bad_inputs")
    assert bad_inputs.table() == written


def test_the_table_of_files_is_true():
    """It is what is found in fitted models, and what docstrings say of it."""
    pytest.importorskip("skops")
    files, written = extension("files")
    assert files.table() == written


def test_the_table_of_capabilities_is_true():
    """It is what comes out when everything is tried again."""
    for name in ("array_api_strict", "dask.array", "pandas", "polars"):
        pytest.importorskip(name)
    pytest.importorskip("scipy", "1.14")  # of which arrays of other kinds need this
    capabilities, written = extension("capabilities")
    assert capabilities.table() == written
    estimators = {n for n in skalign.__all__ if hasattr(getattr(skalign, n), "get_params")}
    parts = {n for n in estimators if n.startswith("Modality")}  # learned by the others
    assert set(capabilities.ESTIMATORS) == estimators - parts


@pytest.mark.parametrize(
    "name", [n for n in skalign.__all__ if isinstance(getattr(skalign, n), type)]
)
def test_html_leads_to_the_reference(name):
    """An estimator's HTML representation links its page here; others keep their own links."""
    estimator = getattr(skalign, name)()
    assert isinstance(estimator, BaseEstimator)
    html = make_pipeline(estimator, LogisticRegression())._repr_html_()
    page = re.search(r"https://skalign\.readthedocs\.io/en/latest/(generated/.*?)\.html", html)[1]
    assert page.removeprefix("generated/") in listed()
    assert "https://scikit-learn.org" in html


def test_the_changelog_speaks_of_this_version():
    """A section of it comes first; a candidate's is that of the release that it is one of."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## (\S+) \((unreleased|\d{4}-\d\d-\d\d)\)$", changelog, re.MULTILINE)
    assert first[1] in (
        skalign.__version__,
        re.sub(r"(a|b|rc|\.dev)\d+$", "", skalign.__version__),
    )


def test_citation_and_recipe_are_of_this_version():
    """Of the very one, candidates included; with the dependencies that the package has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    recipe = (ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == skalign.__version__
    assert re.search(r'^  version: "(.+)"$', recipe, re.MULTILINE)[1] == skalign.__version__
    assert (
        re.search(r'^  python_min: "(.+)"$', recipe, re.MULTILINE)[1]
        in (project["requires-python"])
    )
    needed = recipe.partition("  run:\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert [line.strip(" -").replace(" ", "") for line in needed] == project["dependencies"]
