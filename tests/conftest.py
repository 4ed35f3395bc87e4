"""Settings of all tests."""

import os

# before scipy is imported: else scikit-learn leaves out its check of array API input
os.environ.setdefault("SCIPY_ARRAY_API", "1")
