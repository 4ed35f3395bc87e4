r"""A root of ill-conditioned second moments, by one more pass over the data.

The covariance loses the square of the condition number. But its eigenvectors :math:`V_m` and
spreads :math:`s_m`, kept from falling below rounding, map each block to
:math:`y_m = s_m^{-1} V_m^\top \Delta_m^{-1} (x_m - \mu_m)`, computed from the data themselves, and
the covariance of :math:`y` is well-conditioned. With its Cholesky factor :math:`R`,

.. math:: C = B^\top R^\top R\, B, \qquad B = \mathrm{blockdiag}(s_m V_m^\top \Delta_m),

so that :math:`R B` is a root that loses the condition number only: the idea of CholeskyQR2
(Fukaya et al. 2014, 2020), the same sums again on mapped data.
"""

import numpy as np

from ._array_api import host
from ._blocks import Blocks
from ._moments import Accumulator, Moments, batches, counted

# Mapped columns whose mean square is below this hold nothing but rounding.
NOTHING = 1e-9


def refined(X, weights, blocks: Blocks, total: Moments, progress=None) -> Moments | None:
    """Moments of the complete rows with a root in place of the scatter.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
    blocks : Blocks
    total : Moments
        Of the complete rows, with a scatter.
    progress : Progress, optional

    Returns
    -------
    Moments, or None where a block lacks a dimension: then only an orthogonal method helps.
    """
    maps = [_white_map(total, blocks.indices(m)) for m in range(len(blocks))]
    mapped = Accumulator()
    for rows in batches(*X.shape):
        batch, w = counted(X, weights, rows)
        batch = host(batch)
        Y = np.hstack(
            [
                np.subtract(blocks.take(batch, m), total.mean[blocks.columns[m]]) @ there
                for m, (there, _) in enumerate(maps)
            ]
        )
        if not mapped.add(Y, w):
            complete = np.isfinite(Y).all(axis=1)
            mapped.add(Y[complete], None if w is None else w[complete])
        if rows.start == 0 and _nothing(mapped.result()):
            return None
        if progress is not None:
            progress(rows.stop)
    result = mapped.result()
    if result is None or result.scatter is None or _nothing(result):
        return None
    try:
        factor = np.linalg.cholesky(result.scatter).T
    except np.linalg.LinAlgError:
        return None
    root = np.empty_like(factor)
    start = 0
    for m, (_, back) in enumerate(maps):
        stop = start + len(back)
        root[:, blocks.indices(m)] = factor[:, start:stop] @ back
        start = stop
    return Moments(total.weight, total.n_rows, total.mean, root=root)


def _white_map(total, columns):
    """Map of a block to white coordinates, and back: (d, d) each."""
    scatter = total.scatter[np.ix_(columns, columns)] / total.weight
    scale = np.sqrt(np.diagonal(scatter))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(scatter / np.outer(scale, scale))
    floor = len(columns) * np.finfo(float).eps * max(values[-1], np.finfo(float).tiny)
    spread = np.sqrt(np.maximum(values, floor))
    return vectors / np.outer(scale, spread), (vectors * spread).T * scale


def _nothing(mapped: Moments | None):
    if mapped is None or mapped.scatter is None:
        return False
    return bool(np.min(np.diagonal(mapped.scatter)) < NOTHING * mapped.weight)
