"""An index over points, and what it says: any estimator that finds neighbours by Euclid."""

import numpy as np
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

# The default keeps points only: a tree would put classes of scikit-learn's inside into files.
BRUTE = NearestNeighbors(algorithm="brute")
EUCLIDEAN = ("euclidean", "l2", "minkowski", "sqeuclidean")


def check_index(neighbors) -> None:
    """Raise unless it is None, or an unfitted estimator that finds neighbours by Euclid."""
    if neighbors is None:
        return
    finds = hasattr(neighbors, "kneighbors") or hasattr(neighbors, "transform")
    if not (finds and hasattr(neighbors, "fit") and hasattr(neighbors, "get_params")):
        raise ValueError(
            f"neighbors={neighbors!r} must be an estimator with fit and kneighbors, such as "
            "sklearn.neighbors.NearestNeighbors, or with fit and transform to a sparse graph of "
            "neighbours, such as sklearn.neighbors.KNeighborsTransformer."
        )
    params = neighbors.get_params()
    metric, p = params.get("metric", "euclidean"), params.get("p", 2)
    if metric not in EUCLIDEAN or (metric == "minkowski" and p != 2):
        raise ValueError(
            f"neighbors has metric={metric!r}, p={p!r}: it must be Euclidean. The retriever "
            "places points such that Euclidean neighbours are those of its own metric."
        )


def fitted_index(neighbors, points: np.ndarray):
    """The index over some points."""
    return clone(BRUTE if neighbors is None else neighbors).fit(points)


def nearest(index, points: np.ndarray, n_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and positions of the nearest points of an index, nearest first."""
    if hasattr(index, "kneighbors"):
        distances, positions = index.kneighbors(points, n_neighbors=n_neighbors)
        return np.asarray(distances), np.asarray(positions)
    graph = index.transform(points).tocsr()
    least = int(np.diff(graph.indptr).min())
    if least < n_neighbors:
        raise ValueError(
            f"n_neighbors={n_neighbors}, but neighbors={type(index).__name__} gives {least} "
            "neighbours a row: set more in its own parameters."
        )
    distances, positions = np.empty((len(points), n_neighbors)), []
    for i, (start, stop) in enumerate(zip(graph.indptr[:-1], graph.indptr[1:], strict=True)):
        own = graph.data[start:stop]
        order = np.argsort(own, kind="stable")[:n_neighbors]
        distances[i] = own[order]
        positions.append(graph.indices[start:stop][order])
    return distances, np.array(positions)
