r"""Whether modalities share anything, by pairs that are taken apart and put together anew.

Under independence of the modalities any rows of one may stand beside any rows of another, so that
the score s of the pairs is one among those of B permutations, each as likely the largest:

.. math:: p = \frac{1 + \#\{b : s_b \ge s\}}{1 + B}

is no smaller than a level more often than that level says, whatever the law of the rows. This
takes rows that are drawn apart from each other. Two series in time that know nothing of each other
look related to a permutation of rows, and so do two modalities of a few subjects. Their rows are
moved together: whole groups are exchanged, which is exact for groups of one size that are drawn
apart. Of a few groups there are few permutations, and each group is turned round in a circle
besides (Chatfield's circular shift): exact for series that close on themselves, and nearly so for
stationary ones that are long beside the time over which they remember.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_array, check_random_state

from .._blocks import presence, read_array, resolve_table
from .._utils._labels import check_groups
from .._utils._rows import members_of, shuffled_rows
from .._utils._validation import FLOATS, check_number, is_frame
from ..alignment._significance import ROUNDING, linear_strength, reordered, whitened
from ..alignment._whitening import signal_scale
from ..moments._dask import check_in_memory, template_of

_OWNER = "permutation_test"


def permutation_test(
    X: Any,
    *,
    modalities: Any = None,
    groups: Any = None,
    n_permutations: int = 499,
    random_state: int | np.random.RandomState | None = 0,
) -> tuple[float, np.ndarray, float]:
    r"""Test whether modalities share anything linearly, whatever the law of their rows.

    The pairs are compared with pairs that were put together anew: if modalities are independent,
    these are correlated as much. ``pvalues_`` of the aligner are for Gaussian rows that are drawn
    apart from each other; this is for all others, such as series in time and rows of subjects.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Blocks of all modalities side by side; rows that lack one are left out.
    modalities : None, sequence of int or mapping of str to columns, default=None
        The blocks, as in :class:`~skalign.NullSpaceAligner`: two halves, widths, or names and
        columns. Other columns are left aside.
    groups : array-like of shape (n_samples,), default=None
        Groups of rows that depend on each other: subjects, recordings, days. Whole groups change
        partners. The rows of a group stand in the order in which they were recorded. Of less than
        seven groups each is turned round in a circle, too, which also serves a single long series:
        ``groups=np.zeros(len(X))``.
    n_permutations : int, default=499
        The p-value is ``1 / (1 + n_permutations)`` at least.
    random_state : int, RandomState instance or None, default=0
        Draws the permutations.

    Returns
    -------
    score : float
        Fourth root of the sum of the fourth powers of the canonical correlations, of each two
        modalities, with shrunk covariances: the largest correlation, or somewhat more than that
        where many are large.
    permutation_scores : ndarray of shape (n_permutations,)
        The same of each permutation: as large as it comes by chance.
    pvalue : float
        ``(1 + sum(permutation_scores >= score)) / (1 + n_permutations)``.

    Raises
    ------
    ValueError
        If there are fewer than two pairs, if a block is partly NaN, or if `groups` or `modalities`
        misfit.

    See Also
    --------
    sklearn.model_selection.permutation_test_score : The same for a classifier and its labels.
    skalign.NullSpaceAligner : ``pvalues_`` for each dimension, of Gaussian rows.

    Notes
    -----
    Three modalities or more are permuted apart from each other: the test is of all of them being
    independent. To test two, let ``modalities`` name these.

    Exact for rows, or groups of one size, that are drawn apart from each other. Groups of unequal
    sizes meet row by row as evenly as can be, which measured p-values larger than need be.
    With less than seven groups, series must be stationary and long beside the time over which they
    remember.

    Examples
    --------
    Random walks of two modalities, of nine subjects. A permutation of rows is fooled.

    >>> import numpy as np
    >>> from skalign.model_selection import permutation_test
    >>> steps = np.random.default_rng(0).normal(size=(9, 40, 6))
    >>> X, subject = steps.cumsum(axis=1).reshape(-1, 6), np.repeat(np.arange(9), 40)
    >>> permutation_test(X)[2] < 0.01
    True
    >>> permutation_test(X, groups=subject)[2] > 0.05
    True
    """
    check_number("n_permutations", n_permutations, low=1, integer=True)
    check_in_memory(_OWNER, X=X, groups=groups)
    blocks, members = _pairs(X, modalities, groups)
    first, *others = (_white(block) for block in blocks)
    rng = check_random_state(random_state)

    def put_together_anew():
        for white in others:
            yield reordered(white, shuffled_rows(len(first), members, rng), members)

    strength = linear_strength([first, *others])
    found = [linear_strength([first, *put_together_anew()]) for _ in range(n_permutations)]
    as_high = np.sum(np.array(found) >= strength * (1 - ROUNDING))
    return strength**0.25, np.array(found) ** 0.25, float((1 + as_high) / (1 + n_permutations))


def _white(block):
    """White coordinates of the pairs in a modality, columns at unit variance."""
    mean, deviation = block.mean(axis=0), block.std(axis=0)
    scale = signal_scale(deviation, mean, np.finfo(np.float64).eps)
    varies = scale > 0
    block = (block[:, varies] - mean[varies]) / scale[varies]
    return whitened(block, np.full(len(block), 1 / len(block)))


def _pairs(X, modalities, groups):
    """Blocks of the rows that have every modality, and the rows of each group of them."""
    X = template_of(X)  # itself, or an error
    if not is_frame(X):
        X = check_array(X, dtype=FLOATS, ensure_all_finite=False, input_name="X")
    blocks = resolve_table(modalities, X)
    rows = read_array(X, blocks)
    complete = presence(rows, blocks).all(axis=1)
    if np.count_nonzero(complete) < 2:
        raise ValueError(
            f"{_OWNER} has {np.count_nonzero(complete)} pairs: at least two rows need every "
            f"modality ({', '.join(blocks.names)}). Where each has two of several, test these two."
        )
    pairs = [blocks.take(rows, m)[complete].astype(np.float64) for m in range(len(blocks))]
    if groups is None:
        return pairs, None
    return pairs, members_of(check_groups(groups, len(rows))[complete])
