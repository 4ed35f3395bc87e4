"""Settings of all tests, and a count of them.

``TEST_COUNTS=counts.json pytest`` writes how many tests have passed, how many of these are
properties, that is tests of hypothesis and state machines, and how many examples were tried.
"""

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import Phase, settings

# before NumPy is imported: two processes test at once, and threads of each would wait for cores
os.environ.setdefault("OMP_NUM_THREADS", "1")
# before scipy is imported: else scikit-learn leaves out its check of array API input
os.environ.setdefault("SCIPY_ARRAY_API", "1")

# for tests/mutation.py: the same few examples each time, and none that is made smaller
settings.register_profile(
    "mutation",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=10,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)

EXAMPLES = "examples"
passed: dict[str, int | None] = {}  # examples of each test that has passed, None of a usual one


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    """Note examples in the report, which comes back from other processes, too."""
    told = getattr(item, "hypothesis_statistics", None)
    if call.when == "call" and told:
        tried = sum(int(n) for n in re.findall(r"(\d+) passing\b", told))
        item.user_properties.append((EXAMPLES, tried))


def pytest_runtest_logreport(report):
    """Count what has passed."""
    if report.when == "call" and report.passed:
        passed[report.nodeid] = dict(report.user_properties).get(EXAMPLES)


def pytest_sessionfinish(session):
    """Write the counts, if these are asked for; not in the processes that only test."""
    path = os.environ.get("TEST_COUNTS")
    if not path or hasattr(session.config, "workerinput"):
        return
    tried = {name: n for name, n in passed.items() if n is not None}
    counts = {
        "passed": len(passed),
        "properties": len({name.partition("[")[0] for name in tried}),
        "properties_with_parameters": len(tried),
        "examples": sum(tried.values()),
    }
    Path(path).write_text(json.dumps(counts), encoding="utf-8")
