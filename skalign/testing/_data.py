"""Paired data that are hard to live with, made from a short recipe."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

# Powers of ten that a type of numbers can hold beside the edits of a column.
LIMITS = {"float16": 1, "float32": 20, "int64": 3}
EXACT = ("int64", "bool")  # types without NaN


@dataclass(frozen=True, repr=False)
class PairedData:
    """Rows of several modalities side by side, with labels, numbers, weights and groups.

    What is given here says how they are made, and decides them: the same fields give the same
    arrays, new ones each time. The fields that differ from their defaults are what is printed, so
    that a failing example is short, and may be pasted into a test.

    Parameters
    ----------
    n : int
        Number of rows.
    widths : tuple of int
        Number of columns of each modality.
    rank : int, default=0
        Number of latents that all modalities share.
    noise : float, default=0.5
        Standard deviation of noise beside them; zero makes modalities agree exactly. Without
        latents there is noise alone, of standard deviation one.
    columns : tuple of str, default=("gaussian",)
        What the columns of each modality hold, in turn where these are fewer: ``"gaussian"``
        numbers, ``"whole"`` ones, ``"onehot"`` rows, ``"heavy"`` tails, ``"lognormal"`` numbers.
    edits : tuple of (str, int), default=()
        What happens to the column of that number, modulo their number: it is ``"constant"``,
        ``"nearly constant"``, a ``"copy"`` of the first, the ``"sum"`` of all, far from zero by an
        ``"offset"``, ``"tiny"``, zero but in one ``"rare"`` row, or has an ``"outlier"``.
        ``"block"`` makes a whole modality constant.
    repeated : bool, default=False
        Whether rows repeat others.
    powers : tuple of int, default=()
        Modality m is scaled by ``10 ** powers[m]``, in turn where these are fewer.
    missing : str, default="none"
        Which blocks are NaN: ``"some"`` at random; ``"never"``: no row has the last modality;
        ``"alone"``: each row of the second half has one modality; ``"alike"``: these rows are
        large, and their columns the same; ``"chain"``: each row has two neighbouring modalities;
        ``"apart"``: each row has one, so that there are no pairs.
    dtype : str, default="float64"
        Of ``X``: any type of numbers, ``"bool"``, or ``"object"``. Whole numbers and truth values
        cannot be missing: with missing blocks they are float64.
    layout : str, default="C"
        Of ``X``: ``"C"`` or ``"F"`` order, ``"strided"``: every second row and column of another
        array, ``"reversed"``: with negative strides, ``"read-only"``, or ``"frame"``: a dataframe
        of pandas.
    n_classes : int, default=2
        Number of classes, by the order of the first column.
    labelled : str, default="all"
        Which rows have a label: ``"all"``, ``"some"``, ``"few"``, or ``"none"``; ``"rare"``: all,
        and one of the classes has one row; ``"shuffled"``: all, at random.
    coding : str, default="whole"
        Labels are ``"whole"`` numbers, ``"words"``, ``"floats"``, or ``"bool"`` (two classes).
        Rows that have none hold -1, or None where -1 is no label of that kind.
    weights : str, default="none"
        ``"counts"`` with zeros among them, ``"reals"``, ``"wide"`` ones from 1e-8 to 1e8,
        ``"single"``: one row counts, or ``"zeros"``: none does.
    n_groups : int, default=0
        Number of groups of rows that stand together; zero: none are told.
    seed : int, default=0
        Of all that is drawn.

    Examples
    --------
    >>> from skalign.testing import PairedData
    >>> data = PairedData(4, (2, 1), missing="chain", labelled="some", coding="words")
    >>> data.X.shape, data.y.shape, data.widths
    ((4, 3), (4,), (2, 1))
    >>> data
    PairedData(4, (2, 1), missing='chain', labelled='some', coding='words')
    """

    n: int
    widths: tuple[int, ...]
    rank: int = 0
    noise: float = 0.5
    columns: tuple[str, ...] = ("gaussian",)
    edits: tuple[tuple[str, int], ...] = ()
    repeated: bool = False
    powers: tuple[int, ...] = ()
    missing: str = "none"
    dtype: str = "float64"
    layout: str = "C"
    n_classes: int = 2
    labelled: str = "all"
    coding: str = "whole"
    weights: str = "none"
    n_groups: int = 0
    seed: int = 0

    def __repr__(self) -> str:
        told = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)[2:]
            if getattr(self, field.name) != field.default
        ]
        return f"PairedData({', '.join([str(self.n), repr(self.widths), *told])})"

    @property
    def blocks(self) -> list[slice]:
        """Columns of each modality."""
        edges = np.cumsum([0, *self.widths])
        return [slice(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]

    @property
    def rows(self) -> np.ndarray:
        """The rows as a plain float64 array of shape (n, sum(widths))."""
        rng, late = np.random.default_rng(self.seed), np.arange(self.n) >= self.n // 2
        X = _agreeing(rng, self.n, sum(self.widths), self.rank, self.noise)
        for m, block in enumerate(self.blocks):
            X[:, block] = _shaped(X[:, block], self.columns[m % len(self.columns)])
        for what, place in self.edits:
            _edit(X, self.blocks, what, place)
        if self.repeated and self.n:
            X = X[rng.integers(0, self.n // 2 + 1, size=self.n)]
        gone = _gone(rng, self.missing, late, len(self.widths))
        limit = LIMITS.get(self.dtype, 300)
        for m, block in enumerate(self.blocks):
            if self.missing == "alike":
                X[late, block] = 1e3 * X[late, block.start, None]
            if self.powers:
                power = self.powers[m % len(self.powers)]
                X[:, block] *= 10.0 ** min(max(power, -limit), limit)
            X[gone[:, m], block] = np.nan
        return X

    @property
    def X(self) -> Any:
        """The rows in the type, the layout and the container that were asked for."""
        X = self.rows
        if not (self.dtype in EXACT and np.isnan(X).any()):
            if self.dtype in LIMITS:  # finite in that type, too
                most = 1e15 if self.dtype in EXACT else float(np.finfo(self.dtype).max) / 2
                X = np.clip(X, -most, most)
            X = (X > 0) if self.dtype == "bool" else X.astype(self.dtype)
        return _laid_out(X, self.layout)

    @property
    def known(self) -> np.ndarray:
        """Which rows have a label, a boolean array of shape (n,)."""
        rng = np.random.default_rng([self.seed, 1])
        share = {"some": 0.5, "few": 0.1, "none": 0.0}.get(self.labelled, 1.0)
        return rng.random(self.n) < share

    @property
    def y(self) -> np.ndarray:
        """Labels of shape (n,); -1 or None where a row has none."""
        first = np.nan_to_num(self.rows[:, 0])
        y = np.argsort(np.argsort(first)) * self.n_classes // max(self.n, 1)
        if self.labelled == "rare":
            y = np.where(y == self.n_classes - 1, 0, y)
            y[-1:] = self.n_classes - 1
        elif self.labelled == "shuffled":
            y = np.random.default_rng([self.seed, 2]).permutation(y)
        return _coded(y, self.known, self.coding)

    @property
    def response(self) -> np.ndarray:
        """A number for each row, of shape (n,): linear in its columns; NaN without a label."""
        rng = np.random.default_rng([self.seed, 3])
        scaled = np.nan_to_num(self.rows)
        scaled = scaled / np.maximum(np.abs(scaled).max(axis=0, initial=0), 1e-300)
        values = scaled @ rng.normal(size=scaled.shape[1]) + 0.1 * rng.normal(size=self.n)
        return np.where(self.known, values, np.nan)

    @property
    def sample_weight(self) -> np.ndarray | None:
        """Weights of shape (n,), or None."""
        rng = np.random.default_rng([self.seed, 4])
        if self.weights == "counts":
            return rng.integers(0, 4, size=self.n)
        if self.weights == "reals":
            return rng.exponential(size=self.n)
        if self.weights == "wide":
            return 10.0 ** rng.uniform(-8, 8, size=self.n)
        if self.weights in ("single", "zeros"):
            return (np.arange(self.n) == (0 if self.weights == "single" else -1)).astype(float)
        return None

    @property
    def groups(self) -> np.ndarray | None:
        """Groups of shape (n,), or None."""
        return np.arange(self.n) * self.n_groups // max(self.n, 1) if self.n_groups else None


# -- columns --------------------------------------------------------------------------------------


def _agreeing(rng, n, d, rank, noise):
    """Rows of latents and noise."""
    if not rank:
        return rng.normal(size=(n, d))
    shared = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d))
    return shared + noise * rng.normal(size=(n, d)) if noise else shared


def _shaped(block, kind):
    """Columns of a kind: functions of the ones given, so that what is shared stays so."""
    if kind == "gaussian" or not block.size:
        return block
    if kind == "onehot":
        return np.eye(block.shape[1])[np.argmax(block, axis=1)]
    unit = np.clip(block / max(float(np.sqrt(np.mean(block**2))), 1e-300), -8, 8)
    if kind == "whole":
        return np.round(unit)
    return np.sinh(4 * unit) if kind == "heavy" else np.exp(unit)


def _edit(X, blocks, what, place):
    column = place % X.shape[1]
    if what == "block":
        X[:, blocks[place % len(blocks)]] = 2.5
    elif what == "constant":
        X[:, column] = 0.1
    elif what == "copy":
        X[:, column] = X[:, 0]
    elif what == "sum":
        X[:, column] = X.sum(axis=1)
    elif what == "offset":
        X[:, column] += 1e8
    elif what == "nearly constant":
        X[:, column] = 1 + 1e-15 * X[:, column]
    elif what == "tiny":
        X[:, column] *= 1e-9
    elif what == "rare":
        X[:, column] = np.arange(len(X)) == 0
    elif what == "outlier":
        X[:1, column] = 1e7


def _gone(rng, missing, late, n_modalities):
    """Which blocks are missing, (n, M)."""
    gone, n = np.zeros((len(late), n_modalities), dtype=bool), len(late)
    if missing == "some":
        gone = rng.random(gone.shape) < 0.3
    elif missing == "never":
        gone[:, -1] = True
    elif missing in ("alone", "alike"):
        gone[late] = np.eye(n_modalities)[rng.integers(n_modalities, size=late.sum())] == 0
    elif missing == "apart":
        gone = np.eye(n_modalities)[rng.integers(n_modalities, size=n)] == 0
    elif missing == "chain":
        first = rng.integers(n_modalities - 1, size=n)[:, None]
        gone = ~np.isin(np.arange(n_modalities) - first, (0, 1))
    return gone


# -- containers -----------------------------------------------------------------------------------


def _laid_out(X, layout):
    """The same numbers in memory of another kind."""
    if layout == "F":
        return np.asfortranarray(X)
    if layout == "strided":
        wide = np.zeros((2 * X.shape[0], 2 * X.shape[1]), dtype=X.dtype)
        wide[::2, ::2] = X
        return wide[::2, ::2]
    if layout == "reversed":
        return np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]
    if layout == "read-only":
        X = X.copy()
        X.flags.writeable = False
        return X
    if layout == "frame":
        import pandas as pd

        names = [f"x{j}" for j in range(X.shape[1])]
        X = X.astype(X.dtype.newbyteorder("="), copy=False)  # pandas takes no other
        return pd.DataFrame(X, columns=names, index=np.arange(len(X))[::-1])
    return X


def _with_gaps(labels, known):
    labels[~known] = None
    return labels


def _coded(y, known, coding):
    """Labels of a kind."""
    if coding == "bool":
        values = (y > 0).astype(bool)
        return values if known.all() else _with_gaps(values.astype(object), known)
    if coding == "words":
        words = np.array([f"class {label}" for label in y], dtype=object)
        return _with_gaps(words, known)
    return np.where(known, y, -1).astype(float if coding == "floats" else np.int64)
