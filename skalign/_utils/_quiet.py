"""Warnings of one thread left out, those of all others let through."""

import warnings
from contextlib import contextmanager, suppress
from threading import get_ident
from typing import Any

# Threads have numbers above zero.
NOBODY, ANYBODY = -1, 0


@contextmanager
def quietly(category: type[Warning] = Warning):
    """Leave out warnings of a kind that this thread gives.

    ``warnings.catch_warnings`` is of all threads: where two overlap, what others say is lost
    meanwhile, and the filter of one may stay for good. This filter asks who speaks, so that a copy
    of it that stays somewhere is of no consequence.
    """
    pattern, filters = _OfThread(get_ident()), warnings.filters
    entry: Any = ("ignore", pattern, category, None, 0)
    filters.insert(0, entry)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        pattern.thread = NOBODY
        for every in (filters, warnings.filters):
            with suppress(ValueError):
                every.remove(entry)  # type: ignore[attr-defined]


class _OfThread:
    """Stands where a filter has a regular expression: matches whatever one thread says."""

    # of copies that joblib's tasks of scikit-learn make, which may stay: they match nothing
    pattern = "(?!)"

    def __init__(self, thread: int):
        self.thread = thread

    def match(self, text):
        """Whether the thread that warns is the one."""
        return self.thread in (ANYBODY, get_ident())

    def __reduce__(self):
        """Of a process that works for the thread, every thread is meant."""
        return _OfThread, (NOBODY if self.thread == NOBODY else ANYBODY,)
