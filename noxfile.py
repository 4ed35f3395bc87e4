"""The parts of .ci/run: `nox --list` names them, `nox -s lint types` runs two of them."""

import re
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"

PYPROJECT = nox.project.load_toml("pyproject.toml")
PROJECT = PYPROJECT["project"]
TOOLS = {Requirement(spec).name: spec for spec in PROJECT["optional-dependencies"]["dev"]}
OLDEST_PYTHON = nox.project.python_versions(PYPROJECT)[0]
OLDEST = [spec.replace(">=", "==") for spec in PROJECT["dependencies"]]
# the last ones that take that NumPy
OLDEST += ["pandas<3", "polars<1.40", "pyarrow<21"]


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


@nox.session(default=False)
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
    session.run("python", "-m", "pytest", "--quiet", *session.posargs)
