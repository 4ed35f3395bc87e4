r"""Class probabilities as nodes of a graph: discriminants, components, directions, trees, fusion.

Trees compare numbers of single precision with thresholds of double: a number of single precision
is at most a threshold if it is at most the next number of single precision below that, so that
nothing is lost. A leaf has class probabilities in double precision, which the operator of ONNX for
trees does not: it is asked for the number of the leaf, and probabilities are looked up.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from ..transfer._source import SURE
from ._graph import DOUBLE, FLOAT, INT64, ML, Graph
from ._modalities import blocks_of, encode, lacking


def class_proba(g: Graph, x: str, classifier: Any, inner: bool = False) -> str:
    """Class probabilities (n, C) by a classifier of one modality, or by one inside of it."""
    z = x
    if hasattr(classifier, "encoder_"):
        z = encode(g, x, classifier.encoder_)
        z = z if inner else g.like_input(z)
    if hasattr(classifier, "means_"):
        proba = by_components(g, z, classifier)
    elif hasattr(classifier, "coef_"):
        proba = by_discriminants(g, z, classifier)
    else:
        zero = g.reduced("ReduceSum", g("Mul", x, 0.0), 1)  # NaN where rows are not finite
        proba = g.add(zero, classifier.class_prior_[None])
    if hasattr(classifier, "component_class_proba_"):
        proba = g("MatMul", proba, classifier.component_class_proba_)
    if hasattr(classifier, "calibration_exponent_"):
        said = [proba, *other_views(g, x, classifier)]
        mean = g("Div", g.add(*said), float(len(said)))
        proba = power_of(g, mean, classifier.calibration_exponent_)
    return proba


def power_of(g: Graph, proba: str, exponent: float) -> str:
    """Class probabilities raised to a power."""
    out = g("Pow", g("Div", proba, g.reduced("ReduceMax", proba, 1)), float(exponent))
    return g("Div", out, g.reduced("ReduceSum", out, 1))


# -- models ---------------------------------------------------------------------------------------


def by_discriminants(g: Graph, z: str, classifier: Any) -> str:
    """Probabilities by linear and kernel discriminants, of classes or of components."""
    possible = np.flatnonzero(np.isfinite(classifier.intercept_))
    u = g("Sub", z, classifier.mean_) if hasattr(classifier, "mean_") else z
    if hasattr(classifier, "feature_weights_"):
        u = g("Mul", u, classifier.feature_weights_)
    scores = g("MatMul", u, classifier.coef_[possible].T)
    scores = g.add(scores, classifier.intercept_[possible])
    if hasattr(classifier, "landmarks_"):
        kernel = gaussian_kernel(g, u, classifier.landmarks_, classifier.gamma_)
        scores = g.add(scores, g("MatMul", kernel, classifier.dual_coef_[possible].T))
    proba = g("Softmax", scores, axis=1)
    if len(possible) == len(classifier.intercept_):
        return proba
    return g("MatMul", proba, np.eye(len(classifier.intercept_))[possible])


def gaussian_kernel(g: Graph, u: str, landmarks: np.ndarray, gamma: float) -> str:
    """``exp(-gamma |u - landmark|^2)``; zero where squares overflow."""
    squares = g.reduced("ReduceSumSquare", u, 1)
    maps = np.vstack([2 * gamma * landmarks.T, np.full(len(landmarks), -gamma)])
    exponents = g("MatMul", g.concat([u, squares]), maps)
    return g("Exp", g("Sub", exponents, gamma * np.sum(landmarks**2, axis=1)))


def by_components(g: Graph, z: str, classifier: Any) -> str:
    """Probabilities (n, K) of Gaussian components."""
    weights, means = classifier.weights_, classifier.means_
    tied = np.ndim(classifier.covariances_) == 2
    covariances = [classifier.covariances_] if tied else classifier.covariances_
    k = means.shape[1]
    roots = [np.linalg.cholesky(cov) for cov in covariances]
    maps = np.array([solve_triangular(root, np.eye(k), lower=True).T for root in roots])
    shifts = [np.sum(np.log(np.diagonal(root))) for root in roots]
    with np.errstate(divide="ignore"):  # a component without weight is never chosen
        constant = np.log(weights) - np.broadcast_to(shifts, len(weights))
    points = g("Sub", g("Reshape", z, np.array([1, -1, k])), means[:, None])  # (K, n, k)
    squares = g.reduced("ReduceSumSquare", g("MatMul", points, maps), 2, keep=False)
    joint = g("Sub", constant, g("Mul", g("Transpose", squares, perm=[1, 0]), 0.5))
    return g("Softmax", joint, axis=1)


def other_views(g: Graph, x: str, classifier: Any):
    """Class probabilities by directions of rows and by a forest, where there are these."""
    points = g("Mul", g("Sub", x, classifier.view_mean_), classifier.view_weights_)
    if hasattr(classifier, "direction_classifier_"):
        along = directions(g, points, classifier.view_weights_ > 0)
        yield class_proba(g, along, classifier.direction_classifier_, inner=True)
    if hasattr(classifier, "tree_roots_"):
        yield by_trees(g, points, classifier)


def directions(g: Graph, points: str, used: np.ndarray) -> str:
    """Directions of standardized rows: less their own mean, of length one."""
    mean = g("Div", g.reduced("ReduceSum", points, 1), max(float(np.count_nonzero(used)), 1.0))
    points = g("Sub", points, g("Mul", mean, used.astype(float)))
    largest = g.reduced("ReduceMax", g("Abs", points), 1)  # squares may overflow
    points = g.divided(points, largest)
    return g.divided(points, g("Sqrt", g.reduced("ReduceSumSquare", points, 1)))


# -- trees ----------------------------------------------------------------------------------------


def by_trees(g: Graph, points: str, classifier: Any) -> str:
    """Mean class probabilities of the leaves of standardized points."""
    attributes, leaves = tree_attributes(classifier)
    single = g.cast(points, FLOAT)  # as trees have read them
    found = g("TreeEnsembleRegressor", single, domain=ML, op_version=1, **attributes)
    values = g("Gather", classifier.tree_values_[leaves], g.cast(found, INT64), axis=0)
    total = g.reduced("ReduceSum", values, 1, keep=False)  # (n, trees, C)
    return g("Div", total, float(len(classifier.tree_roots_)))


def tree_attributes(classifier: Any) -> tuple[dict[str, Any], np.ndarray]:
    """A forest as ONNX has it, that says in which leaf of each tree a row is, and the leaves.

    Nodes are numbered from one end to the other, tree by tree, leaves as well.
    """
    roots, children = classifier.tree_roots_, classifier.tree_children_
    n_nodes = children.shape[1]
    every = np.arange(n_nodes)
    is_leaf = children[0] == every
    tree = np.searchsorted(roots, every, side="right") - 1
    own = every - roots[tree]
    left, right = np.where(is_leaf, 0, children - roots[tree])
    leaves = np.flatnonzero(is_leaf)
    thresholds = np.where(is_leaf, 0.0, below(classifier.tree_thresholds_))
    return {
        "n_targets": len(roots),
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": own.tolist(),
        "nodes_featureids": np.where(is_leaf, 0, classifier.tree_features_).tolist(),
        "nodes_modes": ["LEAF" if leaf else "BRANCH_LEQ" for leaf in is_leaf],
        "nodes_values": thresholds.tolist(),
        "nodes_truenodeids": left.tolist(),
        "nodes_falsenodeids": right.tolist(),
        "nodes_missing_value_tracks_true": [0] * n_nodes,
        "target_treeids": tree[leaves].tolist(),
        "target_nodeids": own[leaves].tolist(),
        "target_ids": tree[leaves].tolist(),
        "target_weights": np.arange(len(leaves), dtype=float).tolist(),
    }, leaves


def below(thresholds: np.ndarray) -> np.ndarray:
    """The largest number of single precision that is no larger than each."""
    single = thresholds.astype(np.float32)
    lower = np.nextafter(single, np.float32(-np.inf))
    return np.where(single.astype(np.float64) > thresholds, lower, single).astype(np.float64)


# -- several modalities ---------------------------------------------------------------------------


def fused_proba(g: Graph, x: str, model: Any, sources: dict[int, str]) -> str:
    """Class probabilities by all modalities that rows have, the prior where there are none.

    Parameters
    ----------
    g : Graph
    x : str
    model : CrossModalTransferClassifier
    sources : dict of int to str
        Class probabilities (n, C) by the source classifiers; empty where only targets speak.
    """
    blocks = blocks_of(g, x, model.aligner_)
    wanted = [*sources, *model.classifiers_] if sources else model.targets_
    missing = [lacking(g, blocks[m]) for m in wanted]
    said = [
        sources[m] if m in sources else class_proba(g, blocks[m], model.classifiers_[m])
        for m in wanted
    ]
    prior = np.asarray(model.class_prior_)[None]
    if len(wanted) == 1:
        return g("Where", missing[0], prior, said[0])
    power = model.source_inverse_temperature_
    powers = [
        power if m in sources else model.classifiers_[m].inverse_temperature_ for m in wanted
    ]
    start = model.classifiers_[model.targets_[0]].assumed_prior_
    return fuse(g, said, missing, powers, start, prior)


def fuse(g: Graph, said: Sequence[str], missing: Sequence[str], powers, start, otherwise) -> str:
    """What modalities say together; where one says something just that, else ``otherwise``."""
    log_prior = np.log(np.maximum(start, SURE))[None]
    terms, alone = [log_prior], otherwise
    for proba, none, power in zip(said, missing, powers, strict=True):
        ratio = g("Sub", g("Log", g.at_least(proba, SURE)), log_prior)
        terms.append(g("Where", none, 0.0, g("Mul", ratio, float(power))))
        alone = g("Where", none, alone, proba)
    count = g.add(*(g.cast(g("Not", none), DOUBLE) for none in missing))
    together = g("Softmax", g.add(*terms), axis=1)
    return g("Where", g("Greater", count, 1.5), together, alone)
