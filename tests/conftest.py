"""Settings of all tests."""

import os

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
