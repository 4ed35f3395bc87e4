"""Doctests of the pages: what is no page is left aside, and files are written elsewhere."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in tests/conftest.py

collect_ignore = ["conf.py", "_ext", "_build", "images", "examples", "auto_examples", "generated"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
