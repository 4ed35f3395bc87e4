"""Arrays put into the container that ``set_output`` asks for."""

from sklearn import get_config


def output_container(state: dict) -> str:
    """What ``set_output``, or else the configuration, asks for.

    scikit-learn wraps ``transform`` only, and keeps the choice among the attributes.

    Parameters
    ----------
    state : dict
        ``vars`` of a transformer.
    """
    chosen = state.get("_sklearn_output_config", {}).get("transform")
    return chosen or get_config().get("transform_output", "default")


def in_container(values, container: str, X, names):
    """An array of features as "default", "pandas" or "polars" asks for.

    Parameters
    ----------
    values : array of shape (n_samples, n_features)
    container : str
    X : array or dataframe
        What the rows came from; its index is kept.
    names : ndarray of str
    """
    if container == "default":
        return values
    if container == "pandas":
        import pandas as pd

        return pd.DataFrame(values, index=getattr(X, "index", None), columns=names)
    import polars as pl

    return pl.DataFrame(values, schema=list(names), orient="row")
