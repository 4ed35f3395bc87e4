"""Arrays put into the container that ``set_output`` asks for."""

from sklearn import get_config


def in_container(values, state: dict, X, columns):
    """An array of features as ``set_output``, or else the configuration, asks for.

    scikit-learn wraps ``transform`` only, and keeps the choice among the attributes: ``state``,
    ``vars`` of the transformer. The index of ``X`` is kept, and names of some ``columns`` of it.
    """
    chosen = state.get("_sklearn_output_config", {}).get("transform")
    chosen = chosen or get_config().get("transform_output", "default")
    if chosen == "default":
        return values
    known = state.get("feature_names_in_")
    names = [f"x{j}" if known is None else known[j] for j in columns]
    if chosen == "pandas":
        import pandas as pd

        return pd.DataFrame(values, index=getattr(X, "index", None), columns=names)
    import polars as pl

    return pl.DataFrame(values, schema=names, orient="row")
