"""The parts of .ci/run, which plain `nox` runs, and what takes longer or belongs to a release.

`nox --list` names them, `nox -s lint types` runs two of them.
"""

import json
import os
import platform
import re
import shutil
import zipfile
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tour", "tests", "lint", "types", "doctests", "docs", "oldest"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
PROJECT = PYPROJECT["project"]
TOOLS = {Requirement(spec).name: spec for spec in PROJECT["optional-dependencies"]["dev"]}
OLDEST_PYTHON = nox.project.python_versions(PYPROJECT)[0]
OLDEST = [spec.replace(">=", "==") for spec in PROJECT["dependencies"]]
# the last ones that take that NumPy
OLDEST += ["pandas<3", "polars<1.40", "pyarrow<21"]
# what comes next of these
NEXT = [Requirement(spec).name for spec in PROJECT["dependencies"]]
# figures of this clone, for the session of that name
REPORT = Path("docs/_build/report")
# a look at built files: files of releases, the house, an aligner, a transfer
QUICK = [
    "tests/test_files.py", "tests/test_house.py", "tests/alignment/test_aligner.py",
    "tests/transfer/test_transfer.py",
]  # fmt: skip
QUICK_NEEDS = ["pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6.100", "skops>=0.11", "pandas>=2.2"]


def all_tests(session, *options):
    """Run all tests, and note for the report whether this cell of the matrix has passed."""
    run = ("python", *options, "-m", "pytest", "--quiet", *session.posargs)
    if session.posargs:  # not all of them
        session.run(*run)
        return
    name = session.name + ("_no_array_api" if os.environ.get("SCIPY_ARRAY_API") == "0" else "")
    cell = {"cell": name, "python": platform.python_version(), "passed": False}
    REPORT.mkdir(parents=True, exist_ok=True)
    note = REPORT / f"matrix_{name}.json"
    note.write_text(json.dumps(cell), encoding="utf-8")
    session.run(*run)
    note.write_text(json.dumps(cell | {"passed": True}), encoding="utf-8")


def run_printed(session, number):
    """Run a bash block of the README as it is printed there, in environments of its own."""
    readme = Path("README.md").read_text(encoding="utf-8")
    command = re.findall(r"```bash\n(.*?)```", readme, re.DOTALL)[number - 1]
    session.run("bash", "-euo", "pipefail", "-c", command, external=True)


@nox.session(venv_backend="none")
def tour(session):
    """The README's first command: figures are written."""
    run_printed(session, 1)


@nox.session(venv_backend="none")
def tests(session):
    """The README's second command: all tests."""
    run_printed(session, 2)


@nox.session
def lint(session):
    """Style, and layout of the code."""
    session.install(TOOLS["ruff"])
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session):
    """Types of the package."""
    session.install(TOOLS["mypy"], ".")
    session.run("mypy")


@nox.session
def doctests(session):
    """What the docs print is what comes out."""
    session.install(".[test]")
    session.env["OMP_NUM_THREADS"] = "1"  # as in tests/conftest.py
    options = ["-n", "0", "--doctest-modules", "--doctest-glob=*.md"]
    session.run("python", "-m", "pytest", "--quiet", *options, "skalign", "docs", "README.md")


@nox.session
def profile(session):
    """Every estimator on 200,000 generated data sets: some half an hour, not part of .ci/run."""
    session.install(".[test]")
    session.env["OMP_NUM_THREADS"] = "1"  # as in tests/conftest.py
    session.run("python", "tests/generated.py", *session.posargs)


@nox.session
def docs(session):
    """The documentation, in docs/_build/html: tutorials run, and a warning is an error."""
    session.install(".[docs]")
    session.env["OMP_NUM_THREADS"] = "1"
    options = ["-b", "html", "-W", "--keep-going", "--quiet"]
    session.run("python", "-m", "sphinx", *options, *session.posargs, "docs", "docs/_build/html")


@nox.session(python=OLDEST_PYTHON)
def oldest(session):
    """All tests, on the oldest supported versions."""
    session.install(*OLDEST, ".[test]")
    all_tests(session)


@nox.session
def newest(session):
    """All tests, on the newest versions; warnings are errors from the first import on."""
    session.install("--upgrade", ".[test]")
    all_tests(session, "-W", "error")


@nox.session
def next_versions(session):
    """All tests, on what will be NumPy, SciPy and scikit-learn.

    Their release candidates; nightly builds, where PIP_EXTRA_INDEX_URL says where they are.
    """
    session.install(".[test]")
    session.install("--pre", "--upgrade", *NEXT)
    all_tests(session)


@nox.session
def random_order(session):
    """All tests, in another order each time; `-- --randomly-seed=7` repeats one."""
    session.install(".[test]", "pytest-randomly>=3.15")
    all_tests(session)


@nox.session
def nightly(session):
    """Tests that draw cases, with ten times as many, other ones each night."""
    session.install(".[test]")
    session.env["HYPOTHESIS_PROFILE"] = "nightly"
    all_tests(session)


@nox.session
def coverage(session):
    """Lines and branches that all tests reach; fewer than 98 % are an error."""
    session.install("-e", ".[test]", "pytest-cov>=5")
    REPORT.mkdir(parents=True, exist_ok=True)
    session.env["TEST_COUNTS"] = str((REPORT / "properties.json").resolve())
    file = f"--cov-report=json:{REPORT}/coverage.json"
    session.run("python", "-m", "pytest", "--quiet", "--cov", file, *session.posargs)


@nox.session
def report(session):
    """Figures of this clone that are there; `-- --run` measures those that are absent."""
    session.install("-e", ".[test]", "pytest-cov>=5")
    session.run("python", "tests/report.py", *session.posargs)


@nox.session
def mutation(session):
    """How many small changes of the kernels fast tests notice: docs/tests.md; half an hour."""
    session.install(".[mutation]")
    session.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "skalign")
    session.run("python", "tests/mutation.py", *session.posargs)


# -- releases -------------------------------------------------------------------------------------


@nox.session(venv_backend="none")
def release_notes(session):
    """Before a release: `-- v0.1.0` is the version, its section of the changelog has a date."""
    source = Path("skalign/_version.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', source, re.M)[1]
    if session.posargs != [f"v{version}"]:
        session.error(f"the version is {version}, the tag {' '.join(session.posargs)}")
    changelog = Path("CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", changelog, re.M):
        session.error(f"CHANGELOG.md has no section '## {version} (YYYY-MM-DD)'")


@nox.session
def build(session):
    """Wheel and sdist, in dist/: metadata and contents are checked, then both are tried."""
    session.install("build", "twine")
    shutil.rmtree("dist", ignore_errors=True)
    shutil.rmtree("build", ignore_errors=True)  # of an earlier build: it would get into the wheel
    session.run("python", "-m", "build")
    session.run("python", "-m", "twine", "check", "--strict", *map(str, built_files()))
    try_built(session)


@nox.session
def built(session):
    """The files that are in dist/, tried in environments of their own."""
    try_built(session)


def built_files():
    """The wheel and the sdist in dist/."""
    return next(Path("dist").glob("*.whl")), next(Path("dist").glob("*.tar.gz"))


def try_built(session):
    """Tests out of the sdist, against the installed wheel, then against the installed sdist."""
    wheel, sdist = built_files()
    if "skalign/py.typed" not in zipfile.ZipFile(wheel).namelist():
        session.error("the wheel lacks py.typed")
    place = Path(session.create_tmp()) / "built"
    shutil.rmtree(place, ignore_errors=True)
    shutil.unpack_archive(sdist, place)
    (tree,) = place.iterdir()
    shutil.rmtree(tree / "skalign")  # so that tests take what is installed
    for file in (wheel.resolve(), sdist.resolve()):
        session.install("--force-reinstall", "--no-deps", str(file))
        session.install(f"{file}", *QUICK_NEEDS)
        with session.chdir(tree):
            session.run("pytest", "--quiet", *QUICK)
