"""Settings of all tests."""

import os

# before NumPy is imported: two processes test at once, and threads of each would wait for cores
os.environ.setdefault("OMP_NUM_THREADS", "1")
# before scipy is imported: else scikit-learn leaves out its check of array API input
os.environ.setdefault("SCIPY_ARRAY_API", "1")
