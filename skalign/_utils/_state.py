"""Fitted estimators in files: which state these hold, and whether this release can read it."""

from sklearn.base import BaseEstimator

from .._version import __version__

# Of all estimators together: one more where an attribute that is learned gets another name, shape
# or meaning, so that releases before could not predict from it. What is only added counts, too, if
# predictions take it. docs/files.md tells which release has which.
STATE_VERSION = 1

_STATE, _RELEASE = "_skalign_state", "_skalign_version"


def state_for_file(estimator) -> dict:
    """All attributes, the version of the state, and the release: ``__getstate__``."""
    return {**BaseEstimator.__getstate__(estimator), _STATE: STATE_VERSION, _RELEASE: __version__}


def state_from_file(estimator, state: dict) -> None:
    """Take the attributes out of a file, if they are such as this release knows: ``__setstate__``.

    Files of releases that wrote no version are taken as they are.
    """
    state = dict(state)
    found, release = state.pop(_STATE, 0), state.pop(_RELEASE, "of an early release")
    if found > STATE_VERSION:
        raise ValueError(
            f"This file holds a {type(estimator).__name__} of state version {found}, written by "
            f"skalign {release}; skalign {__version__} reads versions up to {STATE_VERSION}: "
            f"install skalign {release} or later to load it, or fit again with this release."
        )
    BaseEstimator.__setstate__(estimator, state)
