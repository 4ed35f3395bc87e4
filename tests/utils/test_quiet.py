"""Warnings left out for one thread."""

import pickle
import threading
import warnings

import pytest
from sklearn.utils.parallel import Parallel, delayed

from skalign._utils._quiet import quietly


def said_by(thread_of_its_own):
    """Whether a warning of this thread, or of another, is heard."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quietly(UserWarning):
            if thread_of_its_own:
                thread = threading.Thread(target=warnings.warn, args=("here",))
                thread.start()
                thread.join()
            else:
                warnings.warn("here", stacklevel=1)
    return len(caught) == 1


def test_one_thread_is_silent():
    """All others are heard, and the thread itself before and after."""
    assert not said_by(thread_of_its_own=False)
    assert said_by(thread_of_its_own=True)
    with quietly(DeprecationWarning), pytest.warns(UserWarning, match="here"):
        warnings.warn("here", stacklevel=1)


def test_filters_are_as_they_were():
    """After an error, too, and where somebody else's filters have come and gone."""
    before = list(warnings.filters)
    with pytest.raises(KeyboardInterrupt), quietly():
        raise KeyboardInterrupt
    outer, inner = quietly(), warnings.catch_warnings()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert warnings.filters == before
    inner.__exit__(None, None, None)
    assert warnings.filters == before


def test_a_copy_that_stays_is_of_no_consequence():
    """Of a filter that is over, in memory or in a file; one in use silences another process."""
    with warnings.catch_warnings():
        with quietly():
            pattern = warnings.filters[0][1]
            in_use, copied = pickle.loads(pickle.dumps(pattern)), list(warnings.filters)
            # scikit-learn makes regular expressions of filters
            assert Parallel(n_jobs=2, backend="threading")([delayed(abs)(-1)]) == [1]
        over = pickle.loads(pickle.dumps(pattern))
        warnings.filters[:] = copied
        with pytest.raises(UserWarning):
            warnings.warn("here", stacklevel=1)
    assert in_use.match("here") and not over.match("here") and not pattern.match("here")
