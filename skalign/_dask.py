"""Dask collections: rows summed up where they are, chunk by chunk, and maps applied lazily.

Each chunk is read by one task that keeps its :class:`_pairs.Seen`, some ``d * d`` numbers; these
are merged by a tree, and only the root of the tree comes to the client. Dask is imported inside
functions: where its collections are passed, it is there.
"""

import copy
from functools import partial, reduce
from itertools import repeat
from numbers import Real

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from . import _information
from ._blocks import resolve
from ._pairs import Seen
from ._stacking import presence
from ._validation import FLOATS, column_names

# Children of a node of the tree.
FAN_IN = 8


def is_dask(X) -> bool:
    """Whether something is a collection of Dask; imports nothing."""
    return type(X).__module__.partition(".")[0] in ("dask", "dask_expr")


# -- the aligner -------------------------------------------------------------------------------


def fit(aligner, X, sample_weight):
    """`NullSpaceAligner.fit` by sums of chunks; coarse sums make it read the data once more."""
    blocks, names = _prepare(aligner, X)
    n, d = X.shape[0] if hasattr(X, "chunks") else np.nan, blocks.n_features
    kind = aligner._moments_kind((np.inf if np.isnan(n) else n, d))
    seen = _see(X, sample_weight, blocks, kind)
    pairs = aligner._whitened(seen.sums, blocks, seen.eps)
    coarse = _n_rows(seen) <= d or not pairs.accurate
    if aligner.solver == "auto" and kind == "covariance" and coarse:
        seen = _see(X, sample_weight, blocks, "qr")
        pairs = aligner._whitened(seen.sums, blocks, seen.eps)
    aligner._solve(seen.sums, pairs, blocks, seen.eps, seen.more_than, names)
    aligner._seen = seen if _n_rows(seen) > d else None  # fewer would be the rows themselves
    return aligner


def partial_fit(aligner, X, sample_weight, first):
    """`NullSpaceAligner.partial_fit` by sums of chunks."""
    if first:
        aligner._blocks, _ = _prepare(aligner, X)
        aligner._seen = Seen.nothing(aligner._blocks.n_features)
    validate_data(aligner, template_of(X), reset=False, skip_check_array=True)
    seen = _see(X, sample_weight, aligner._blocks, aligner._streamed_kind())
    aligner._seen = aligner._seen.merged(seen)
    return aligner._learn_from_seen()


def score(aligner, X, sample_weight):
    """`NullSpaceAligner.score`, which needs the second moment of the latents only."""
    validate_data(aligner, template_of(X), reset=False, skip_check_array=True)
    moments = tasks(_moment, X, repeat(_node(aligner)), sample_weight=sample_weight)
    total, weight = tree(moments, _added)
    if not weight > 0:
        raise ValueError("X has no pairs: no row with a positive weight has every modality.")
    return _information.mutual_information(
        aligner._latent_cov, total / weight, len(aligner.encoders_)
    )


def lazily(estimator, method, X, width=None, dtype=None):
    """A method of an estimator, chunk by chunk, when it is asked for.

    Parameters
    ----------
    estimator : fitted estimator
    method : str
        Takes rows, and gives as many.
    X : dask array or dataframe
    width : int, optional
        Number of columns that come out; None where a vector does.
    dtype : dtype, optional
        Of what comes out; None is the precision of ``X``.

    Returns
    -------
    dask.array.Array
        Its chunks are those of ``X``, of unknown size where they are.
    """
    import dask
    import dask.array as da

    template = template_of(X)
    if method != "inverse_transform":
        validate_data(estimator, template, reset=False, skip_check_array=True)
    elif template.shape[1] != estimator.n_components_:
        raise ValueError(
            f"X has {template.shape[1]} features, expected {estimator.n_components_} latents."
        )
    dtype = checked(template, FLOATS).dtype if dtype is None else dtype
    meta = np.empty((0,) if width is None else (0, width), dtype=dtype)
    node, apply = _node(estimator), partial(_apply, method=method, empty=meta)
    if hasattr(X, "columns"):
        task, size = dask.delayed(apply, pure=False), (np.nan, *meta.shape[1:])
        parts = [da.from_delayed(task(part, node), size, meta=meta) for part in parts_of(X)]
        return da.concatenate(parts, allow_unknown_chunksizes=True)
    X = X.rechunk({1: -1})
    options = {"dtype": dtype, "meta": meta, "estimator": node}
    if width is None:
        return X.map_blocks(apply, drop_axis=1, **options)
    return X.map_blocks(apply, chunks=(X.chunks[0], (width,)), **options)


# -- what a task does --------------------------------------------------------------------------


def _summed(chunk, sample_weight, blocks, kind):
    X, weights = checked(chunk), weights_of(sample_weight, len(chunk))
    nothing = Seen.nothing(blocks.n_features)
    return nothing.with_rows(X, weights, blocks, kind) if len(X) else nothing


def _moment(chunk, aligner, sample_weight):
    X, weights = checked(chunk, FLOATS), weights_of(sample_weight, len(chunk))
    weights = np.ones(len(X)) if weights is None else weights
    paired = presence(X, aligner._blocks).all(axis=1) & (weights > 0)
    X, weights = X[paired], weights[paired]
    Z = np.hstack(aligner._coding.encode(X)).astype(np.float64, copy=False)
    return (Z.T * weights) @ Z, weights.sum()


def _apply(chunk, estimator, method, empty):
    return np.asarray(getattr(estimator, method)(chunk)) if len(chunk) else empty


def _added(a, b):
    return tuple(left + right for left, right in zip(a, b, strict=True))


# -- rows, and what stands beside them ---------------------------------------------------------


def checked(chunk, dtype="numeric"):
    """An array of a chunk, which may be empty; NaN and infinity are looked at later."""
    return check_array(chunk, dtype=dtype, ensure_all_finite=False, ensure_min_samples=0)


def vector_of(values, n, name):
    """One value a row of a chunk."""
    values = np.asarray(values)
    values = values.ravel() if values.shape == (n, 1) else values
    if values.shape != (n,):
        raise ValueError(
            f"{name} must be 1D, one value a row, in chunks as X has them: got shape "
            f"{values.shape} beside {n} rows."
        )
    return values


def weights_of(sample_weight, n):
    """Weights of a chunk, which may all be zero."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n, sample_weight)
    weights = vector_of(sample_weight, n, "sample_weight").astype(np.float64)
    if not np.isfinite(weights).all() or np.any(weights < 0):
        raise ValueError("sample_weight is negative or not finite: it counts rows.")
    return weights


# -- collections -------------------------------------------------------------------------------


def template_of(X):
    """An array or dataframe of the columns of a collection, without rows."""
    table = hasattr(type(X), "to_delayed") and getattr(X, "ndim", None) == 2
    if table and hasattr(X, "columns"):
        return X._meta
    if not table or np.isnan(X.shape[1]):
        raise ValueError(
            f"Expected 2D array, got {X!r} instead: X must be a Dask array of shape (n_samples, "
            "n_features) with a known number of features, or a Dask dataframe."
        )
    return np.empty((0, X.shape[1]), dtype=X.dtype)


def _prepare(aligner, X):
    """Blocks, and names of the columns, which the aligner learns."""
    template = template_of(X)
    validate_data(
        aligner, template, dtype="numeric", ensure_all_finite=False, ensure_min_samples=0,
        ensure_min_features=2,
    )  # fmt: skip
    names = column_names(aligner, template)
    return resolve(aligner.modalities, template.shape[1], template, names), names


def _see(X, sample_weight, blocks, kind) -> Seen:
    """Sums of all rows."""
    task = partial(_summed, blocks=blocks, kind=kind)
    seen = tree(tasks(task, X, sample_weight=sample_weight), Seen.merged)
    if sample_weight is not None and not seen.sums:
        raise ValueError("sample_weight is zero for all rows: at least one must be positive.")
    return seen


def _n_rows(seen):
    return sum(part.n_rows for part in seen.sums.values())


def _light(estimator):
    """An estimator to send around, without the sums of what it has seen."""
    estimator = copy.copy(estimator)
    if hasattr(estimator, "aligner_"):
        estimator.aligner_ = _light(estimator.aligner_)
    elif hasattr(estimator, "_seen"):
        estimator._seen = None
    return estimator


def _node(estimator):
    """An estimator as one node of a graph, so that it goes to each worker once."""
    import dask

    return dask.delayed(_light(estimator), traverse=False)


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


def tree(parts, merged):
    """One result of many, merged in the order of the rows, a few at a time."""
    import dask

    join = dask.delayed(partial(reduce, merged), pure=False)
    while len(parts) > 1:
        parts = [join(parts[i : i + FAN_IN]) for i in range(0, len(parts), FAN_IN)]
    return parts[0].compute()
