"""Dask collections: rows summed up where they are, chunk by chunk, and functions applied lazily.

Each chunk is read by one task that keeps some ``d * d`` numbers; these are merged by a tree, and
only the root of the tree comes to the client. Dask is imported inside functions: where its
collections are passed, it is there.
"""

from dataclasses import replace
from functools import partial, reduce
from itertools import repeat
from numbers import Real

import numpy as np
from sklearn.utils.validation import check_array

from .._blocks import Blocks, read_array
from .._utils._validation import FLOATS, check_weights, is_frame, rounding_of, table_options
from ._accumulate import Patterns, merge_patterns, refine
from ._rows import Accumulated, ArrayRows


def is_dask(X) -> bool:
    """Whether something is a collection of Dask; imports nothing."""
    return type(X).__module__.partition(".")[0] in ("dask", "dask_expr")


def check_in_memory(owner: str, **data):
    """Raise if one of the data, by their names, is a collection: the owner takes none."""
    for name, value in data.items():
        if is_dask(value):
            raise ValueError(
                f"{owner} works on rows in memory, but {name} is a Dask collection: pass "
                f"{name}.compute(), of as many rows as fit."
            )


def computed(data):
    """What a collection holds, in memory; anything else as it is."""
    return data.compute() if is_dask(data) else data


def template_of(X):
    """What shows the columns of ``X``: of a collection a table without rows, else itself."""
    if type(X).__name__ == "LazyFrame":
        raise TypeError("X is a polars LazyFrame, which holds no rows yet: pass X.collect().")
    if not is_dask(X):
        return X
    table = hasattr(type(X), "to_delayed") and getattr(X, "ndim", None) == 2
    if table and hasattr(X, "columns"):
        return X._meta
    if not table or np.isnan(X.shape[1]):
        raise ValueError(
            f"Expected 2D array, got {X!r} instead: X must be a Dask array of shape (n_samples, "
            "n_features) with a known number of features, or a Dask dataframe."
        )
    return np.empty((0, X.shape[1]), dtype=X.dtype)


def table_of(X, dtype=FLOATS, **options):
    """What shows the columns of ``X``, and arguments of ``validate_data`` for it."""
    template = template_of(X)
    return template, table_options(template, dtype, collection=template is not X, **options)


def as_rows(X, table, sample_weight, blocks: Blocks, *, dtype=FLOATS, verbose: bool = False):
    """The row source of ``X``, as the user gave it; ``table`` is it validated, or its columns."""
    if is_dask(X):
        return DaskRows(X, sample_weight, blocks, read_array(table, blocks, dtype).dtype)
    rows = read_array(table, blocks, dtype)
    return ArrayRows(rows, check_weights(sample_weight, len(rows)), blocks, verbose)


class DaskRows:
    """Rows of a Dask array or dataframe, with weights of any kind or None.

    ``dtype`` is that of the selected columns together.
    """

    readable_again, in_memory = True, False
    refined = refine

    def __init__(self, X, sample_weight, blocks: Blocks, dtype):
        self.X, self.sample_weight, self.blocks, self.dtype = X, sample_weight, blocks, dtype
        n = X.shape[0] if hasattr(X, "chunks") else np.nan
        self.shape = (np.inf if np.isnan(n) else n), blocks.n_features
        self.eps = rounding_of(dtype)
        self._seen: Accumulated | None = None

    def fold(self, function, merged, shared):
        """``function(rows of a chunk, shared)`` of each chunk, merged by a tree in their order."""
        import dask

        task = partial(_of_chunk, function=function, blocks=self.blocks)
        node = shared  # arrays go to each worker once; with a word, reading and summing are one
        if not isinstance(shared, str):
            node = dask.delayed(shared, traverse=False)
        return tree(tasks(task, self.X, repeat(node), sample_weight=self.sample_weight), merged)

    def moments(self, kind: str) -> Patterns:
        """Moments by the modalities that rows have."""
        seen = self.fold(Accumulated.of, Accumulated.merged, kind)
        if self.sample_weight is not None and not seen.patterns:
            raise ValueError("sample_weight is zero for all rows: at least one must be positive.")
        self._seen, self.eps = replace(seen, patterns={}), max(seen.eps, self.eps)
        return seen.patterns

    def mapped(self, mean, maps) -> Patterns | None:
        """Moments by the modalities that rows have, each block mapped."""
        return self.fold(_mapped, merge_patterns, (mean, maps))

    def unweighted(self) -> "DaskRows":
        """The same rows, all of which count alike."""
        return DaskRows(self.X, None, self.blocks, self.dtype)

    def n_unique(self, limit: int, modalities=None) -> int:
        """Number of different complete rows, which the first pass has found."""
        return len(self.hashes(modalities=modalities))

    def hashes(self, limit: int | None = None, modalities=None) -> np.ndarray:
        """Numbers of different complete rows, all that were kept."""
        assert self._seen is not None
        return self._seen.hashes(limit, modalities)


def _of_chunk(chunk, shared, sample_weight, function, blocks):
    """``function(rows, shared)`` of a chunk and its weights."""
    X = read_array(checked(chunk, "numeric"), blocks, "numeric")
    weights = check_weights(sample_weight, len(X), some=False)
    return function(ArrayRows(X, weights, blocks), shared)


def _mapped(rows, shared):
    return rows.mapped(*shared, stop=False)


def map_rows(function, X, table, n_columns=None, dtype=None):
    """``function(table)``; of a Dask collection chunk by chunk, when it is asked for.

    ``table`` is ``X`` validated, or its columns. As many rows come out, of ``n_columns`` or as a
    vector, of the precision of ``X`` if no ``dtype`` is told; chunks are as those of ``X``.
    """
    if not is_dask(X):
        return function(table)
    import dask
    import dask.array as da

    if dtype is None:
        dtype = check_array(table, dtype=FLOATS, ensure_min_samples=0).dtype
    meta = np.empty((0,) if n_columns is None else (0, n_columns), dtype=dtype)
    node = dask.delayed(function, pure=False, traverse=False)  # goes to each worker once
    if is_frame(X):
        task, size = dask.delayed(partial(_apply, empty=meta), pure=False), meta.shape[1:]
        parts = [task(part, node) for part in parts_of(X)]
        parts = [da.from_delayed(part, (np.nan, *size), meta=meta) for part in parts]
        return da.concatenate(parts, allow_unknown_chunksizes=True)
    X = X.rechunk({1: -1})
    options = {"dtype": dtype, "meta": meta, "function": node, "empty": meta}
    if n_columns is None:
        return X.map_blocks(_apply, drop_axis=1, **options)
    return X.map_blocks(_apply, chunks=(X.chunks[0], (n_columns,)), **options)


def _apply(chunk, function, empty):
    """``function`` of a chunk, and of one without rows what is empty."""
    return np.asarray(function(checked(chunk, FLOATS))) if len(chunk) else empty


def checked(chunk, dtype="numeric"):
    """An array of a chunk, which may be empty; NaN and infinity are looked at later."""
    if is_frame(chunk):
        return chunk
    return check_array(chunk, dtype=dtype, ensure_all_finite=False, ensure_min_samples=0)


# -- collections -------------------------------------------------------------------------------


def tasks(function, X, *lists, **vectors):
    """A task for each chunk of rows: the function of it, of its item of lists, of its vectors."""
    import dask

    X, sizes = (X, None) if hasattr(X, "columns") else (X.rechunk({1: -1}), X.chunks[0])
    chunks, sizes = parts_of(X), None if sizes is None or np.isnan(sum(sizes)) else sizes
    arrays = [v for v in vectors.values() if not (v is None or isinstance(v, Real) or is_dask(v))]
    if sizes is None and arrays:
        sizes = dask.compute(*[dask.delayed(len)(chunk) for chunk in chunks])
    beside = {name: _cut(name, v, len(chunks), sizes) for name, v in vectors.items()}
    task = dask.delayed(partial(_told, function), pure=False)
    items = zip(chunks, *lists, strict=False)  # a list may be endless
    return [
        task(i, *item, **{name: parts[i] for name, parts in beside.items()})
        for i, item in enumerate(items)
    ]


def _told(function, number, chunk, *args, **kwargs):
    """``function`` of a chunk, whose number is told in what is wrong with it."""
    try:
        return function(chunk, *args, **kwargs)
    except ValueError as error:
        raise ValueError(f"chunk {number}: {error}") from error


def _cut(name, vector, n_chunks, sizes):
    """A vector in pieces that lie beside the chunks of rows."""
    if vector is None or isinstance(vector, Real):
        return [vector] * n_chunks
    dask_array = hasattr(vector, "rechunk")
    if sizes is not None and (dask_array or not is_dask(vector)):
        length = vector.shape[0] if dask_array else len(np.asarray(vector))
        if length == length and length != sum(sizes):
            raise ValueError(
                "Found input variables with inconsistent numbers of samples: X has "
                f"{sum(sizes)}, {name} has {length}."
            )
        if not dask_array:
            return np.split(np.asarray(vector), np.cumsum(sizes)[:-1])
        vector = vector.rechunk({0: tuple(sizes)}) if length == length else vector
    parts = parts_of(vector)
    if len(parts) != n_chunks:
        raise ValueError(f"{name} has {len(parts)} chunks, X has {n_chunks}: rows must be paired.")
    return parts


def parts_of(collection):
    """Its chunks or partitions, as delayed values."""
    parts = collection.to_delayed()
    return parts if isinstance(parts, list) else list(parts.ravel())


def fold_vector(function, merged, vector):
    """``function`` of a vector; of a collection of each chunk, merged by a tree."""
    if not is_dask(vector):
        return function(vector)
    import dask

    return tree([dask.delayed(function, pure=False)(part) for part in parts_of(vector)], merged)


def tree(parts, merged, fan_in: int = 8):
    """One result of many, merged in the order of the rows, a few at a time."""
    import dask

    join = dask.delayed(partial(reduce, merged), pure=False)
    while len(parts) > 1:
        parts = [join(parts[i : i + fan_in]) for i in range(0, len(parts), fan_in)]
    return parts[0].compute()
