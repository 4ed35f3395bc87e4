"""The input contract: which columns belong to which modality, and which rows have which.

A sample is one row of a 2-D array in which the blocks of all modalities stand side by side. A
modality that a sample lacks is a block of NaN. Columns that no modality selects are left aside
before anything is converted, so that they may hold anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from reprlib import repr as short
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from ._utils._array_api import as_rows, not_finite, take
from ._utils._validation import FLOATS, column_names, is_frame

Columns = slice | np.ndarray


@dataclass(frozen=True)
class Blocks:
    """Names and columns of the modalities of a table.

    A block is a slice of the selected columns wherever it can be, so that taking it costs no copy.
    """

    names: tuple[str, ...]
    columns: tuple[Columns, ...]  # of each block, among the selected ones
    n_features: int  # columns that are selected
    selected: np.ndarray | None = None  # these in the table, ascending; None where all are

    @classmethod
    def of(cls, names, columns, n_columns: int) -> "Blocks":
        """Blocks of names, and of the columns that belong to each in a table of so many."""
        every = np.sort(np.concatenate(columns))
        places = tuple(_contiguous(np.searchsorted(every, c)) for c in columns)
        selected = every if len(every) < n_columns else None
        return cls(tuple(names), places, len(every), selected)

    def __len__(self) -> int:
        return len(self.names)

    def same_as(self, other: "Blocks") -> bool:
        """Whether names and columns of the table are the same."""
        columns = ([blocks.of_table(m) for m in range(len(blocks))] for blocks in (self, other))
        return self.names == other.names and all(map(np.array_equal, *columns))

    def take(self, X, m: int):
        """Columns of modality ``m``: a view where the block is contiguous."""
        return X[:, self.columns[m]]

    def indices(self, m: int) -> np.ndarray:
        """Numbers of the columns of modality ``m`` among those that are selected."""
        return np.arange(self.n_features)[self.columns[m]]

    def of_table(self, m: int) -> np.ndarray:
        """Numbers of the columns of modality ``m`` in the table."""
        return self.indices(m) if self.selected is None else self.selected[self.columns[m]]

    def select(self, X):
        """The selected columns of an array or dataframe, as what it is."""
        return X if self.selected is None else select(X, self.selected)

    def two_positions(self, source: int | str, target: int | str) -> tuple[int, int]:
        """Positions of two modalities, of which one is to predict what another is labelled by."""
        first = position_of(source, self.names, "source")
        second = position_of(target, self.names, "target")
        if first == second:
            raise ValueError(
                f"source={source!r} and target={target!r} are one modality: there is nothing to "
                "transfer."
            )
        return first, second

    def roles(self, source, target) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Positions of the sources, and of the targets: one modality each, or several."""
        given = {"source": source, "target": target}
        roles = [self.positions(value, parameter) for parameter, value in given.items()]
        both = set(roles[0]) & set(roles[1])
        if both:
            name = self.names[min(both)]
            raise ValueError(
                f"source={source!r} and target={target!r} both name the modality {name!r}: there "
                "is nothing to transfer."
            )
        return roles[0], roles[1]

    def named(self, modalities) -> str:
        """Names of some modalities, for messages."""
        return " or ".join(repr(self.names[m]) for m in modalities)

    def check_chains(self, present, sources, targets, hint: str = "") -> None:
        """Raise where a target shares no row with a source, and no chain joins them."""
        found = chains(present, sources)
        lost = [m for m in targets if m not in found]
        if lost:
            raise ValueError(
                f"X has no pairs: no row has both the source {self.named(sources)} and the target "
                f"{self.named(lost[:1])}, and no chain of other modalities joins them.{hint}"
            )

    def positions(self, modalities, parameter: str) -> tuple[int, ...]:
        """Positions of a modality, or of several."""
        if isinstance(modalities, str) or not isinstance(modalities, Sequence):
            return (position_of(modalities, self.names, parameter),)
        found = tuple(position_of(m, self.names, parameter) for m in modalities)
        if not found or len(set(found)) < len(found):
            raise ValueError(
                f"{parameter}={modalities!r} must be a modality, or several different ones."
            )
        return found


def chains(present, sources, targets=None) -> dict[int, int | None]:
    """From which modality each other one is reached, those first that are reached first.

    ``None`` stands for the sources themselves. A modality is reached from another if rows have
    both; of several that are as near to a source the one with most such rows counts.

    Parameters
    ----------
    present : ndarray of bool, shape (n, M)
        Which rows have which modality.
    sources : sequence of int
    targets : sequence of int, optional
        Modalities that are to be reached: what leads to none of them is left out.
    """
    shared = present.T.astype(np.int64) @ present
    told = present[:, list(sources)].any(axis=1).astype(np.int64) @ present
    found: dict[int, int | None] = {
        m: None for m in range(len(shared)) if told[m] and m not in sources
    }
    last = list(found)
    while last:
        left = [m for m in range(len(shared)) if m not in found and m not in sources]
        near = {m: last[int(np.argmax(shared[m, last]))] for m in left}
        near = {m: k for m, k in near.items() if shared[m, k]}
        found |= near
        last = list(near)
    if targets is None:
        return found
    needed = set()
    for m in targets:
        while m is not None and m in found:
            needed.add(m)
            m = found[m]
    return {m: k for m, k in found.items() if m in needed}


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
    """Turn the ``modalities`` of an estimator into blocks of the columns of a table.

    Callables among them are called on the ``frame``, the data as the user gave them.
    """
    if modalities is None:
        first = (n_features + 1) // 2
        halves = slice(0, first), slice(first, n_features)
        return Blocks(("modality0", "modality1"), halves, n_features)
    if not isinstance(modalities, Mapping):
        names, columns = _from_widths(modalities, n_features)
    else:
        names = tuple(modalities)
        bad = [name for name in names if not isinstance(name, str)]
        if bad:
            raise ValueError(f"modalities has the key {bad[0]!r}: name modalities by strings.")
        columns = [
            _select(name, columns, n_features, frame, feature_names)
            for name, columns in modalities.items()
        ]
        _check_apart(names, columns, n_features, feature_names)
    if len(names) < 2:
        raise ValueError(
            f"modalities={short(modalities)} gives {len(names)} modality: at least two are needed."
        )
    return Blocks.of(names, columns, n_features)


def resolve_table(modalities, table) -> Blocks:
    """Blocks of an array or dataframe."""
    return resolve(modalities, table.shape[1], table, column_names(table))


def read_array(table, blocks: Blocks, dtype=FLOATS):
    """The selected columns of a validated array or a dataframe, as rows of numbers.

    Where a column of a dataframe holds none, the error names the modality and the column.
    """
    if not is_frame(table):
        X = as_rows(table)
        return X if blocks.selected is None else X[:, blocks.selected]
    part = blocks.select(table)
    try:
        X = check_array(part, dtype=dtype, ensure_all_finite=False, ensure_min_samples=0)
        if X.dtype.kind == "c" or any(isinstance(x, complex) for x in X[:1].ravel().tolist()):
            raise ValueError("Complex data not supported.")
        return X if X.dtype.kind in "fiub" else X.astype(np.float64)
    except (TypeError, ValueError):
        for m, name in enumerate(blocks.names):
            for column in blocks.indices(m):
                values = np.asarray(select(part, np.array([column]))).ravel()
                try:
                    check_array(values[:, None], dtype=dtype, ensure_all_finite=False)
                except (TypeError, ValueError) as error:
                    raise ValueError(
                        f"modality {name!r}: column {list(part.columns)[column]!r} holds "
                        f"{short(values[0])}, which is no number: encode it before, or select "
                        "columns of numbers."
                    ) from error
        raise


def _from_widths(widths, n_features):
    """Names, and column numbers, of blocks of some widths side by side."""
    if isinstance(widths, str) or not isinstance(widths, Sequence | np.ndarray):
        raise ValueError(
            f"modalities={short(widths)} must be None, a sequence of block widths, or a mapping "
            "of names to columns."
        )
    if isinstance(widths, np.ndarray) and widths.ndim != 1:
        raise ValueError(f"modalities={widths!r}: give one width a modality.")
    widths = [w.item() if isinstance(w, np.generic) else w for w in widths]
    for m, width in enumerate(widths):
        if isinstance(width, str):
            raise ValueError(
                f"modalities[{m}]={width!r}: a list gives widths, a positive integer each. Name "
                f"modalities by a mapping to their columns, such as {{{width!r}: slice(0, 3)}} or "
                f"{{{width!r}: make_column_selector({'^' + width!r})}}."
            )
        if not isinstance(width, Integral) or isinstance(width, bool) or width < 1:
            raise ValueError(f"modalities[{m}]={width!r}: a width is a positive integer.")
    total = int(sum(widths))
    if total != n_features:
        raise ValueError(
            f"modalities={list(widths)!r}: the widths sum to {total}, but X has "
            f"{n_features} features. Give the width of every block, in order."
        )
    columns = np.split(np.arange(n_features), np.cumsum(widths)[:-1].astype(int))
    return tuple(f"modality{m}" for m in range(len(columns))), columns


def _select(name, selector, n_features, frame, feature_names):
    """Column numbers of one entry of the mapping, as ``ColumnTransformer`` reads it."""
    if callable(selector):
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
    """Column numbers of integers or of a mask."""
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
    """What is said of a selector that is none."""
    return (
        f"modality {name!r}: columns must be a slice, integers, a mask, names or a callable; "
        f"got {given}."
    )


def _column(modality, name, feature_names):
    """Number of the column of some name."""
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
    """A slice of numbers for one of names."""
    # as in ColumnTransformer, a slice of names includes its end
    start, stop = selector.start, selector.stop
    start = None if start is None else _column(modality, start, feature_names)
    stop = None if stop is None else _column(modality, stop, feature_names) + 1
    return slice(start, stop, selector.step)


def _check_apart(names, columns, n_features, feature_names):
    """Raise where a column is selected twice."""

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


def _contiguous(columns):
    """A slice where column numbers follow each other."""
    if np.all(np.diff(columns) == 1):
        return slice(int(columns[0]), int(columns[-1]) + 1)
    return columns


def presence(X: Any, blocks: Blocks, first_row: int = 0) -> np.ndarray:
    """Which modalities each row has, as bool of shape (n_samples, n_modalities).

    A block with infinity, or with NaN in some of its columns only, is an error that names the row,
    counted from ``first_row``.
    """
    present = np.ones((len(X), len(blocks)), dtype=bool)
    for m, name in enumerate(blocks.names):
        infinite, some, all_ = not_finite(blocks.take(X, m))
        if infinite.any():
            raise ValueError(
                f"Input X contains infinity: modality {name!r}, row "
                f"{first_row + np.flatnonzero(infinite)[0]}. Remove or clip such values."
            )
        present[:, m] = ~all_
        partly = some & ~all_
        if partly.any():
            raise ValueError(
                f"Input X contains NaN in part of a block: modality {name!r}, row "
                f"{first_row + np.flatnonzero(partly)[0]}. A missing modality is a block "
                "that is all NaN. Impute scattered missing values inside the blocks, in rows that "
                "have them: skalign.BlockImputer does."
            )
    return present


def select(X, columns: Columns, rows=None):
    """Some columns, and some rows, of an array or dataframe, as what it is."""
    if hasattr(X, "iloc"):  # pandas
        X = X.iloc[:, columns]
        return X if rows is None else X.iloc[rows]
    if hasattr(X, "select") and hasattr(X, "columns"):  # polars
        X = X[:, columns if isinstance(columns, slice) else columns.tolist()]
        return X if rows is None else X[rows.tolist()]
    return take(X, slice(None) if rows is None else rows, columns)


def stack_modalities(*blocks: Any, widths: Sequence[int] | None = None) -> np.ndarray:
    """Put the blocks of several modalities side by side, ``None`` where one is missing.

    Parameters
    ----------
    *blocks : array-like of shape (n_samples, d_m), or None
        One block per modality, rows paired. ``None`` stands for a modality that these
        samples lack; its columns become NaN.
    widths : sequence of int, default=None
        Width ``d_m`` of each modality. Needed where a block is ``None``.

    Returns
    -------
    ndarray of shape (n_samples, d_1 + ... + d_M)
        float32 if every given block is, float64 otherwise.

    Raises
    ------
    ValueError
        If no block is given, if a width is needed and not given, or if the blocks
        differ in their number of rows.

    Examples
    --------
    >>> from skalign import stack_modalities
    >>> stack_modalities([[1.0, 2.0]], None, widths=(2, 1))
    array([[ 1.,  2., nan]])
    """
    given: dict[int, np.ndarray] = {}
    for m, block in enumerate(blocks):
        if block is None:
            continue
        try:
            given[m] = array = np.asarray(block)
        except ValueError as error:
            raise ValueError(f"block {m} is no array: {error}") from error
        if array.ndim != 2 or array.dtype.kind not in "iufb":
            raise ValueError(
                f"block {m} has shape {array.shape} and dtype {array.dtype}: give a 2-D array of "
                "numbers."
            )
    if not given:
        raise ValueError("no block is given: at least one modality must be present.")
    if widths is None:
        missing = [m for m in range(len(blocks)) if m not in given]
        if missing:
            raise ValueError(f"block {missing[0]} is None: pass widths=(d_1, ..., d_M).")
        widths = [array.shape[1] for array in given.values()]
    listed = list(widths) if isinstance(widths, Sequence | np.ndarray) else [None]
    if not all(isinstance(w, Integral) and int(w) > 0 for w in listed):
        raise ValueError(f"widths={widths!r} must be positive integers, one a block.")
    if len(widths) != len(blocks):
        raise ValueError(f"{len(blocks)} blocks, but {len(widths)} widths: one width a block.")
    first, n_samples = next((m, len(array)) for m, array in given.items())
    for m, array in given.items():
        if array.shape[1] != widths[m]:
            raise ValueError(
                f"block {m} has shape {array.shape}, expected (n_samples, {widths[m]})."
            )
        if len(array) != n_samples:
            raise ValueError(
                f"block {m} has {len(array)} rows, block {first} has {n_samples}: "
                "rows must be paired."
            )
    single = all(array.dtype == np.float32 for array in given.values())
    X = np.full((n_samples, sum(widths)), np.nan, dtype=np.float32 if single else np.float64)
    edges = np.cumsum([0, *widths])
    for m, array in given.items():
        X[:, edges[m] : edges[m + 1]] = array
    return X
