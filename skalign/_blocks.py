"""Which columns belong to which modality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

Columns = slice | np.ndarray


@dataclass(frozen=True)
class Blocks:
    """Names and columns of the modalities of a stacked array.

    Attributes
    ----------
    names : tuple of str
        One name per modality.
    columns : tuple of slice or ndarray of int
        Columns of each block; a slice wherever they are contiguous, so that taking
        a block costs no copy.
    n_features : int
        Width of the stacked array.
    """

    names: tuple[str, ...]
    columns: tuple[Columns, ...]
    n_features: int

    def __len__(self) -> int:
        return len(self.names)

    def take(self, X, m: int):
        """Columns of modality ``m``: a view where the block is contiguous."""
        return X[:, self.columns[m]]

    def indices(self, m: int) -> np.ndarray:
        """Column numbers of modality ``m``."""
        return np.arange(self.n_features)[self.columns[m]]

    @property
    def widths(self) -> list[int]:
        """Number of columns of each modality."""
        return [len(self.indices(m)) for m in range(len(self))]

    def position(self, modality: int | str, parameter: str = "modality") -> int:
        """Position of a modality that is given by position or by name."""
        return position_of(modality, self.names, parameter)


class NamedList(list):
    """A list, one item per modality, that also answers to the modalities' names."""

    def __init__(self, items=(), names=()):
        super().__init__(items)
        self.names = tuple(names)

    def __getitem__(self, key):
        if isinstance(key, str):
            key = position_of(key, self.names, "modality")
        return super().__getitem__(key)


def position_of(modality: Any, names: Sequence[str], parameter: str) -> int:
    """Position of a modality given by position (negative counts from the end) or name."""
    if isinstance(modality, str):
        if modality in names:
            return list(names).index(modality)
    elif (
        isinstance(modality, Integral)
        and not isinstance(modality, bool)
        and -len(names) <= int(modality) < len(names)
    ):
        return int(modality) % len(names)
    raise ValueError(
        f"{parameter}={modality!r} is no modality: give a position below {len(names)} "
        f"or one of the names {list(names)}."
    )


def resolve(modalities, n_features: int, frame=None, feature_names=None) -> Blocks:
    """Turn the ``modalities`` parameter into blocks of columns.

    Parameters
    ----------
    modalities : None, sequence of int, or mapping of str to columns
        As documented in :class:`skalign.NullSpaceAligner`.
    n_features : int
        Width of the stacked array.
    frame : array or dataframe, optional
        The data as the user gave them; callables are called on it.
    feature_names : sequence of str, optional
        Names of the columns, where they have any.
    """
    if modalities is None:
        first = (n_features + 1) // 2
        names, columns = default_names(2), [slice(0, first), slice(first, n_features)]
    elif isinstance(modalities, Mapping):
        names = tuple(modalities)
        bad = [name for name in names if not isinstance(name, str)]
        if bad:
            raise ValueError(f"modalities has the key {bad[0]!r}: name modalities by strings.")
        columns = [
            _select(name, columns, n_features, frame, feature_names)
            for name, columns in modalities.items()
        ]
        _check_partition(names, columns, n_features, feature_names)
    else:
        names, columns = _from_widths(modalities, n_features)
    if len(names) < 2:
        raise ValueError(
            f"modalities={modalities!r} gives {len(names)} modality: at least two are needed."
        )
    return Blocks(tuple(names), tuple(_contiguous(c) for c in columns), n_features)


def default_names(n_modalities: int) -> tuple[str, ...]:
    """Names of modalities that the user left unnamed."""
    return tuple(f"modality{m}" for m in range(n_modalities))


def _from_widths(widths, n_features):
    if isinstance(widths, str) or not isinstance(widths, Sequence | np.ndarray):
        raise ValueError(
            f"modalities={widths!r} must be None, a sequence of block widths, or a mapping "
            "of names to columns."
        )
    if isinstance(widths, np.ndarray) and widths.ndim != 1:
        raise ValueError(f"modalities={widths!r}: give one width a modality.")
    widths = [w.item() if isinstance(w, np.generic) else w for w in widths]
    for m, width in enumerate(widths):
        if not isinstance(width, Integral) or isinstance(width, bool) or width < 1:
            raise ValueError(f"modalities[{m}]={width!r}: a width is a positive integer.")
    total = int(sum(widths))
    if total != n_features:
        raise ValueError(
            f"modalities={list(widths)!r}: the widths sum to {total}, but X has "
            f"{n_features} features. Give the width of every block, in order."
        )
    edges = np.concatenate([[0], np.cumsum(widths)]).astype(int)
    columns = [slice(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    return default_names(len(columns)), columns


def _select(name, selector, n_features, frame, feature_names):
    """Column numbers of one entry of the mapping, as ``ColumnTransformer`` reads it."""
    if callable(selector):
        if frame is None:
            raise ValueError(f"modality {name!r}: a callable needs the data to select from.")
        selector = selector(frame)
    every = np.arange(n_features)
    if isinstance(selector, slice):
        if isinstance(selector.start, str) or isinstance(selector.stop, str):
            selector = _name_slice(name, selector, feature_names)
        found = every[selector]
    else:
        if isinstance(selector, str | Integral):
            selector = [selector]
        if np.ndim(selector) != 1:
            raise ValueError(_not_columns(name, repr(selector)))
        selector = list(selector)
        if selector and all(isinstance(item, str) for item in selector):
            found = np.array([_column(name, item, feature_names) for item in selector], dtype=int)
        else:
            found = _numbered(name, np.asarray(selector), every)
    if len(found) == 0:
        raise ValueError(f"modality {name!r} selects no column of X: its selector is empty.")
    return found


def _numbered(name, selector, every):
    if selector.dtype == bool:
        if len(selector) != len(every):
            raise ValueError(
                f"modality {name!r}: the mask has {len(selector)} entries, but X has "
                f"{len(every)} features."
            )
        return every[selector]
    if selector.size and not np.issubdtype(selector.dtype, np.integer):
        raise ValueError(_not_columns(name, f"{selector.dtype} values"))
    selector = selector.astype(int)
    out = (selector < -len(every)) | (selector >= len(every))
    if out.any():
        raise ValueError(
            f"modality {name!r}: column {selector[out][0]} is out of range, X has "
            f"{len(every)} features."
        )
    return every[selector]


def _not_columns(name, given):
    return (
        f"modality {name!r}: columns must be a slice, integers, a mask, names or a callable; "
        f"got {given}."
    )


def _column(modality, name, feature_names):
    if feature_names is None:
        raise ValueError(
            f"modality {modality!r} names the column {name!r}, but X has no column names: "
            "pass a dataframe, or select by position."
        )
    position = np.flatnonzero(np.asarray(feature_names, dtype=object) == name)
    if len(position) == 0:
        raise ValueError(f"modality {modality!r}: X has no column named {name!r}.")
    return int(position[0])


def _name_slice(modality, selector, feature_names):
    # as in ColumnTransformer, a slice of names includes its end
    start, stop = selector.start, selector.stop
    start = None if start is None else _column(modality, start, feature_names)
    stop = None if stop is None else _column(modality, stop, feature_names) + 1
    return slice(start, stop, selector.step)


def _check_partition(names, columns, n_features, feature_names):
    def called(column):
        return repr(int(column) if feature_names is None else str(feature_names[column]))

    owner = np.full(n_features, -1)
    for m, (name, found) in enumerate(zip(names, columns, strict=True)):
        values, counts = np.unique(found, return_counts=True)
        if counts.max() > 1:
            raise ValueError(
                f"modality {name!r} selects column {called(values[counts > 1][0])} twice."
            )
        taken = found[owner[found] >= 0]
        if len(taken):
            raise ValueError(
                f"modalities {names[owner[taken[0]]]!r} and {name!r} overlap: both select "
                f"column {called(taken[0])}."
            )
        owner[found] = m
    left = np.flatnonzero(owner < 0)
    if len(left):
        raise ValueError(
            f"{len(left)} columns belong to no modality, the first is {called(left[0])}: "
            "select every column of X once, or drop them before."
        )


def _contiguous(columns):
    if isinstance(columns, slice):
        return columns
    if np.all(np.diff(columns) == 1):
        return slice(int(columns[0]), int(columns[-1]) + 1)
    return columns
