"""Arrays that are not NumPy's, under scikit-learn's ``array_api_dispatch``.

What is learned stays NumPy. Rows stay where they are, inside :class:`DeviceRows`: a slice of them
is another one, and :func:`as_numpy` makes NumPy of either. Functions of this module take both, so
that nobody else asks which of the two there is.

Where a device has no float64 rows are summed up on the host, batch by batch, because a float32
sum has lost what tells an exact direction from a close one. Maps are applied there in float32.
"""

import numpy as np
from sklearn import get_config


def namespace(X):
    """Array API namespace of an array that is not NumPy's; None without dispatch, or for NumPy.

    Arrays of some libraries, such as PyTorch, need ``array_api_compat``.
    """
    if isinstance(X, np.ndarray | np.generic) or not get_config().get("array_api_dispatch"):
        return None
    if hasattr(X, "__array_namespace__"):
        return X.__array_namespace__()
    if not (hasattr(X, "__dlpack__") and hasattr(X, "device")):
        return None
    try:
        from array_api_compat import array_namespace
    except ImportError as error:
        raise ImportError(
            f"arrays of {type(X).__module__} need the package array-api-compat: "
            "pip install 'skalign[array-api]'."
        ) from error
    return array_namespace(X)


class DeviceRows:
    """Rows of an array (n, d) of another namespace, ``xp``, on whatever device they are."""

    def __init__(self, array, xp):
        self.array, self.xp = array, xp

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key) -> "DeviceRows":
        x = self.array
        for axis, which in enumerate(key if isinstance(key, tuple) else (key,)):
            if isinstance(which, slice):
                which = slice(*which.indices(x.shape[axis]))  # never past the end
                x = x[which, :] if axis == 0 else x[:, which]
            else:
                which = np.asarray(which)
                which = np.flatnonzero(which) if which.dtype == bool else which
                x = self.xp.take(x, self.put(which), axis=axis)
        return DeviceRows(x, self.xp)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an ndarray."""
        return tuple(int(n) for n in self.array.shape)

    @property
    def dtype(self) -> np.dtype:
        """The type as NumPy calls it."""
        return np.dtype(str(self.array.dtype).rpartition(".")[2])

    @property
    def double(self) -> bool:
        """Whether the device knows float64."""
        return "float64" in self._dtypes()

    def _dtypes(self):
        return self.xp.__array_namespace_info__().dtypes(device=self.array.device)

    def put(self, values, dtype=None):
        """Move numbers here, as a type that the device has."""
        values = np.asarray(values)
        name = values.dtype.name if dtype is None else np.dtype(dtype).name
        if name not in self._dtypes():
            name = name.replace("64", "32")
        # a copy: what is learned must not be written to from outside
        values = np.array(values, dtype=name, order="C")
        return self.xp.asarray(values, device=self.array.device)


# -- rows of either kind -------------------------------------------------------------------------


def is_on_device(X) -> bool:
    """Whether rows are of another namespace than NumPy's."""
    return isinstance(X, DeviceRows)


def device_sums(X, shift, weights):
    """Sums of shifted rows, computed where these are; None for NumPy's, or without float64 there.

    Gives the shift (d,), which is the mean of the rows where it is None, the sums (d,), and the
    products (d, d), which stay on the device.
    """
    if not is_on_device(X) or not X.double:
        return None
    xp = X.xp
    x = xp.astype(X.array, xp.float64, copy=False)
    if shift is None:  # from the first row on, so that a constant column is zero exactly
        first = x[:1, :]
        shift = to_numpy((first + xp.mean(x - first, axis=0, keepdims=True))[0, :])
    block = x - X.put(shift)
    if weights is None:
        return shift, to_numpy(xp.sum(block, axis=0)), block.T @ block
    w = X.put(weights)
    return shift, to_numpy(w @ block), (block * w[:, None]).T @ block


def affine(X, matrix, mean, offset=0.0, share=None):
    """``(X - mean) @ matrix + offset``, in the type of ``X``, which is (n, d).

    ``matrix`` is (d, k), ``mean`` (d,), ``offset`` (k,) or a number; what comes out of each row is
    multiplied by its ``share`` (n,), if that is given.
    """
    with np.errstate(invalid="ignore"):  # missing rows are NaN, and stay NaN
        if not is_on_device(X):
            Z = X @ matrix + (offset - mean @ matrix)
            return (Z if share is None else Z * share[:, None]).astype(X.dtype, copy=False)
        if X.double:  # as for NumPy: without a copy of float64 rows
            x = X.xp.astype(X.array, X.xp.float64, copy=False)
            z = x @ X.put(matrix) + X.put(offset - mean @ matrix)
        else:
            z = (X.array - X.put(mean)) @ X.put(matrix) + X.put(offset + 0.0)
        if share is not None:
            z = z * X.put(share)[:, None]
    return X.xp.astype(z, X.array.dtype, copy=False)


def filled(X, values):
    """Other numbers, one a column or a whole array, in place of NaN."""
    if not is_on_device(X):
        return np.where(np.isnan(X), values, X).astype(X.dtype, copy=False)
    values = X.put(values, X.dtype) if isinstance(values, np.ndarray) else values
    return DeviceRows(X.xp.where(X.xp.isnan(X.array), values, X.array), X.xp)


def is_finite(X) -> bool:
    """Whether every number of either kind of rows is finite."""
    rows = as_rows(X)
    x, xp = (rows.array, rows.xp) if is_on_device(rows) else (X, np)
    return bool(xp.all(xp.isfinite(x)))


def take(X, rows, columns):
    """Some rows and columns as NumPy; of those on a device no more than these move."""
    X = as_rows(X)
    return as_numpy(X[rows, columns]) if is_on_device(X) else np.asarray(X)[:, columns][rows]


def hstack(parts):
    """Blocks of rows of either kind side by side."""
    return _joined(parts, axis=1)


def concat(parts, positions, axis):
    """Rows, or columns, put together, each part at its positions: every number from 0 on, once."""
    order, whole = np.argsort(np.concatenate(positions)), _joined(parts, axis)
    array = whole.array if is_on_device(whole) else whole
    if np.all(order == np.arange(len(order))):
        return array
    if is_on_device(whole):
        return whole.xp.take(array, whole.put(order), axis=axis)
    return np.take(array, order, axis=axis)


def _joined(parts, axis):
    """Parts one after the other along an axis."""
    if not is_on_device(parts[0]):
        return np.concatenate(parts, axis=axis)
    xp = parts[0].xp
    return DeviceRows(xp.concat([part.array for part in parts], axis=axis), xp)


# -- at the door ---------------------------------------------------------------------------------


def accepted(X, dtype):
    """What to ask of validation in place of ``dtype``, types of NumPy's or "numeric"."""
    xp = namespace(X)
    if xp is None:
        return dtype
    known = xp.__array_namespace_info__().dtypes(device=X.device)
    floats = tuple(known[name] for name in ("float64", "float32") if name in known)
    if xp.isdtype(X.dtype, "complex floating"):
        raise ValueError(f"Complex data not supported: X has dtype {X.dtype}.")
    if dtype == "numeric":  # any number, but no float that NumPy does not know
        return None if xp.isdtype(X.dtype, "integral") or X.dtype in floats else floats
    return floats


def as_rows(X):
    """An array of another namespace as :class:`DeviceRows`; anything else as it is."""
    xp = None if is_on_device(X) else namespace(X)
    return X if xp is None else DeviceRows(X, xp)


def as_numpy(X):
    """NumPy of an array of another namespace; anything else as it is."""
    X = as_rows(X)
    return to_numpy(X.array) if is_on_device(X) else X


def vector_as_numpy(values):
    """NumPy of what stands beside rows, labels or weights, with dispatch or without."""
    foreign = hasattr(values, "__dlpack__") and not isinstance(values, np.ndarray | np.generic)
    return to_numpy(values) if foreign else values


def from_numpy(values, X, dtype=None):
    """Numbers where ``X`` is, and of its namespace; words, and numbers for NumPy, as they are."""
    if not is_on_device(X) or values.dtype.kind not in "biuf":
        return values
    return X.put(values, dtype)


def to_numpy(array) -> np.ndarray:
    """NumPy of an array of another namespace, which may share its memory."""
    if hasattr(array, "detach"):  # of a graph of gradients
        array = array.detach()
    try:
        return np.from_dlpack(array)
    except (BufferError, RuntimeError, TypeError, ValueError, AttributeError):
        moved = getattr(array, "cpu", getattr(array, "get", None))  # PyTorch, CuPy
        return np.asarray(array if moved is None else moved())


def not_finite(block):
    """Which rows hold infinity, which a NaN, and which nothing else: three vectors of bool."""
    x, xp = (block.array, block.xp) if is_on_device(block) else (block, np)
    missing = xp.isnan(x)
    found = xp.any(xp.isinf(x), axis=1), xp.any(missing, axis=1), xp.all(missing, axis=1)
    return tuple(to_numpy(part) for part in found) if xp is not np else found
