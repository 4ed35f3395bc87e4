"""What skl2onnx is told of the estimators, and one call that does all."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ..alignment import ModalityEncoder, NullSpaceAligner
from ..imputation import CrossModalImputer
from ..regression import CrossModalTransferRegressor, ModalityRegressor
from ..transfer import CrossModalTransferClassifier, ModalityClassifier
from ._classes import class_proba, fused_proba
from ._graph import DOUBLE, FLOAT, INT64, ML, STRING, Graph
from ._modalities import deviation, encode, impute, regress, regressed, transform

# As skl2onnx offers them for any classifier, and asks for them; labels are never left out (nocl).
OF_CLASSIFIERS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [False],
}


def to_onnx(
    model: Any,
    X: Any,
    *,
    options: dict[Any, Any] | None = None,
    target_opset: Any = None,
    **params: Any,
) -> Any:
    """Write a fitted model, or a pipeline with one, as an ONNX graph.

    The graph has one input, ``"X"``. Out of a classifier come ``label`` and ``probabilities``, a
    matrix in the order of ``classes_``; out of others comes one matrix.

    Parameters
    ----------
    model : estimator
        A fitted :class:`~skalign.ModalityClassifier`, :class:`~skalign.ModalityRegressor` or
        :class:`~skalign.ModalityEncoder`, :class:`~skalign.CrossModalTransferClassifier` or
        :class:`~skalign.CrossModalTransferRegressor`, :class:`~skalign.NullSpaceAligner` or
        :class:`~skalign.CrossModalImputer`; or a :class:`~sklearn.pipeline.Pipeline`, or whatever
        else skl2onnx converts, of them and of estimators that it knows.
    X : array-like of shape (n_samples, n_features)
        Some rows, or one, as the model takes them. Only their number of columns and their type
        count: of float32 rows, or a dataframe of nothing else, the graph takes float32; of all
        others float64.
    options : dict, default=None
        Options of converters, as in ``skl2onnx.to_onnx``. Those of ours are ``zipmap`` of
        classifiers, here False by default; ``return_std`` of regressors, for standard deviations
        as a second output; ``impute`` of an aligner, to fill missing blocks rather than to encode:
        ``options={"impute": True}``.
    target_opset : int or dict, default=None
        Version of the operators, 11 or later; by default the latest that skl2onnx is tested with.
        Older runtimes need older ones.
    **params : dict
        Passed to ``skl2onnx.to_onnx``.

    Returns
    -------
    onnx.ModelProto
        ``SerializeToString`` gives the bytes of a file.

    Raises
    ------
    ImportError
        If skl2onnx is not installed: ``pip install "skalign[onnx]"``.
    NotImplementedError
        If missing blocks of more than six modalities are to be filled. For estimators that have no
        converter skl2onnx raises errors of its own.

    Notes
    -----
    Numbers are computed in double precision inside of our parts, as the estimators do. What
    skl2onnx has for the other steps of a pipeline is single for float32 rows: give it float64 ones
    where the last digit matters. A graph raises no error: of rows that the estimators refuse, with
    infinity or a block that is partly NaN, the probabilities are NaN, and a label is no answer.
    Rows that lack all that is asked get the class prior, without a warning.

    Examples
    --------
    >>> from skalign.onnx import to_onnx
    >>> graph = to_onnx(model.target_classifier_, X_target)  # doctest: +SKIP
    >>> open("target.onnx", "wb").write(graph.SerializeToString())  # doctest: +SKIP
    """
    register_converters()
    from skl2onnx import to_onnx as convert

    check_is_fitted(model)
    options = _with_matrices(model, options or {}) if is_classifier(model) else options
    return convert(model, _a_row(X), options=options, target_opset=target_opset, **params)


def _a_row(X) -> np.ndarray:
    """A row of the type that a graph is to take."""
    rows = np.asarray(X)
    if rows.ndim != 2:
        raise ValueError(f"X has {rows.ndim} dimensions: give rows, an array of two.")
    try:
        return rows[:1].astype(np.float32 if rows.dtype == np.float32 else np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "X holds what is no number. A graph takes numbers alone: fit without such columns, or "
            "encode them in a pipeline, and call skl2onnx.to_onnx with an input for each column."
        ) from error


def _with_matrices(model, options):
    """Options, and that probabilities are a matrix unless these say otherwise."""
    if any(isinstance(key, str) for key in options):  # names and models do not go together
        asked = any(key.endswith("zipmap") or "zipmap" in str(options[key]) for key in options)
        return options if asked else {"zipmap": False, **options}
    return {**options, type(model): {"zipmap": False, **options.get(type(model), {})}}


def register_converters() -> None:
    """Tell skl2onnx of the estimators of this package.

    After it ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` convert them, alone and as steps
    of a pipeline. :func:`~skalign.onnx.to_onnx` calls it by itself; to call it twice does no harm.

    Raises
    ------
    ImportError
        If skl2onnx is not installed: ``pip install "skalign[onnx]"``.
    """
    try:
        from skl2onnx import update_registered_converter as register
    except ImportError as error:
        raise ImportError('ONNX graphs need skl2onnx: pip install "skalign[onnx]".') from error
    register(ModalityEncoder, "SkalignModalityEncoder", _shape_of_rows, _convert_encoder)
    register(CrossModalImputer, "SkalignCrossModalImputer", _shape_of_rows, _convert_imputer)
    register(
        NullSpaceAligner,
        "SkalignNullSpaceAligner",
        _shape_of_rows,
        _convert_aligner,
        options={"impute": [False, True]},
    )
    for kind, convert in (
        (ModalityRegressor, _convert_regressor),
        (CrossModalTransferRegressor, _convert_transfer_regressor),
    ):
        register(
            kind,
            f"Skalign{kind.__name__}",
            _shape_of_rows,
            convert,
            parser=_parse_regressor,
            options={"return_std": [False, True]},
        )
    register(
        ModalityClassifier,
        "SkalignModalityClassifier",
        _shape_of_classes,
        _convert_classifier,
        options=OF_CLASSIFIERS,
    )
    register(
        CrossModalTransferClassifier,
        "SkalignCrossModalTransferClassifier",
        _shape_of_classes,
        _convert_transfer,
        parser=_parse_transfer,
        options=OF_CLASSIFIERS,
    )


# -- what comes out -------------------------------------------------------------------------------


def _width(model, options) -> int:
    """Number of columns that come out."""
    regressor = getattr(model, "target_regressor_", model)
    if isinstance(regressor, ModalityRegressor):
        return len(np.atleast_2d(regressor.coef_))
    if isinstance(model, ModalityEncoder):
        return len(model.coef_)
    aligner = getattr(model, "aligner_", model)
    if aligner is model and not options.get("impute"):
        return int(model.n_components_)
    return sum(map(len, _aligner_of(model).modality_columns_))


def _aligner_of(model):
    """The fitted aligner inside of an estimator, or itself."""
    aligner = getattr(model, "aligner_", model)
    return aligner.estimator if isinstance(aligner, FrozenEstimator) else aligner


def _like_input(operator, shape):
    """Type of an output: single where the rows are, else double."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    single = isinstance(operator.inputs[0].type, FloatTensorType)
    return (FloatTensorType if single else DoubleTensorType)(shape)


def _checked(operator, model):
    """Raise unless rows have the columns of the model; number of rows, if it is known."""
    width = operator.inputs[0].get_second_dimension()
    if width not in (None, model.n_features_in_):
        raise ValueError(
            f"X has {width} features, but {type(model).__name__} is expecting "
            f"{model.n_features_in_} features as input."
        )
    return operator.inputs[0].get_first_dimension()


def _shape_of_rows(operator):
    model = operator.raw_operator
    shape = [_checked(operator, model), _width(model, _options(operator))]
    for out in operator.outputs:
        out.type = _like_input(operator, shape)


def _shape_of_classes(operator):
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    model = operator.raw_operator
    n, C = _checked(operator, model), len(model.classes_)
    label = StringTensorType if _labels(model).dtype.kind == "U" else Int64TensorType
    operator.outputs[0].type = label([n])
    mapped = _options(operator).get("zipmap", True) is True  # such maps are of single precision
    proba = FloatTensorType([n, C]) if mapped else _like_input(operator, [n, C])
    operator.outputs[1].type = proba


def _options(operator):
    return operator.scope_inst.get_options(operator.raw_operator, fail=False) or {}


def _labels(model) -> np.ndarray:
    """Labels as ONNX has them: integers or strings."""
    classes = np.asarray(model.classes_)
    if classes.dtype.kind in "iubf":  # estimators refuse numbers that are not whole
        return classes.astype(np.int64)
    return np.array([str(label) for label in classes])


# -- converters -----------------------------------------------------------------------------------


def _convert_encoder(scope, operator, container):
    g = Graph(scope, operator, container)
    g.give(encode(g, g.rows(), operator.raw_operator))


def _convert_imputer(scope, operator, container):
    g = Graph(scope, operator, container)
    g.give(impute(g, g.rows(), _aligner_of(operator.raw_operator)))


def _convert_aligner(scope, operator, container):
    g, filling = Graph(scope, operator, container), _options(operator).get("impute")
    g.give((impute if filling else transform)(g, g.rows(), operator.raw_operator))


def _convert_regressor(scope, operator, container):
    g, regressor = Graph(scope, operator, container), operator.raw_operator
    x = g.rows()
    g.give(regress(g, x, regressor))
    if len(operator.outputs) > 1:
        g.give(deviation(g, x, regressor), 1)


def _convert_transfer_regressor(scope, operator, container):
    g, model = Graph(scope, operator, container), operator.raw_operator
    x = g.rows()
    g.give(regressed(g, x, model, regress, model.prior_mean_))
    if len(operator.outputs) > 1:
        g.give(regressed(g, x, model, deviation, model.prior_std_), 1)


def _convert_classifier(scope, operator, container):
    g, classifier = Graph(scope, operator, container), operator.raw_operator
    _give_classes(g, class_proba(g, g.rows(), classifier), operator)


def _convert_transfer(scope, operator, container):
    g, model = Graph(scope, operator, container), operator.raw_operator
    names = g.inputs[1:]
    said = {
        m: _said_by(g, name, _of_source(model, m), model)
        for m, name in zip(model.estimators_, names, strict=bool(names))
    }
    _give_classes(g, fused_proba(g, g.rows(), model, said), operator)


def _give_classes(g: Graph, proba: str, operator):
    """Most probable labels, and the probabilities."""
    labels = _labels(operator.raw_operator)
    best = g("ArgMax", proba, axis=1, keepdims=0)
    g.give(g("Gather", labels, best), 0, STRING if labels.dtype.kind == "U" else INT64)
    single = type(operator.outputs[1].type).__name__ == "FloatTensorType"
    g.give(proba, 1, FLOAT if single else DOUBLE)


def _said_by(g: Graph, said: str, estimator, model) -> str:
    """Probabilities of all classes by a source, out of its own probabilities or its decisions."""
    classes, known = np.asarray(model.classes_), np.asarray(estimator.classes_)
    places = np.searchsorted(classes, known.astype(classes.dtype))
    onto = np.eye(len(classes))[places]
    if not hasattr(estimator, "predict_proba"):
        labels = _labels(estimator)
        if labels.dtype.kind == "U":
            numbers = {"keys_strings": list(labels), "values_int64s": list(range(len(labels)))}
            said = g("LabelEncoder", said, domain=ML, op_version=2, default_int64=-1, **numbers)
            labels = np.arange(len(labels))
        said = g("Reshape", said, np.array([-1, 1]))
        return g("MatMul", g.cast(g("Equal", said, labels[None]), DOUBLE), onto)
    proba = g.at_least(g.cast(said, DOUBLE), 0.0)
    proba = g("Div", proba, g.reduced("ReduceSum", proba, 1))
    return g("MatMul", proba, onto)


# -- parsers: what goes in ------------------------------------------------------------------------


def _parse_regressor(scope, model, inputs, custom_parsers=None):
    wanted = scope.get_options(model, {"return_std": False})["return_std"]
    operator = scope.declare_local_operator(f"Skalign{type(model).__name__}", model)
    operator.inputs = inputs
    for name in ("variable", "std") if wanted else ("variable",):
        variable = scope.declare_local_variable(name, _like_input(operator, [None, None]))
        operator.outputs.append(variable)
    return operator.outputs


def _parse_transfer(scope, model, inputs, custom_parsers=None):
    """Where all modalities speak, source classifiers are converted by what converts them."""
    from skl2onnx._parse import _parse_sklearn, _parse_sklearn_classifier

    said = []
    for m in model.estimators_ if model.predict_from == "available" else ():
        source = _of_source(model, m)
        block = scope.declare_local_operator("SklearnArrayFeatureExtractor")
        block.inputs = list(inputs)
        block.column_indices = list(map(int, _aligner_of(model).modality_columns_[m]))
        block.outputs.append(scope.declare_local_variable("source", inputs[0].type))
        if scope.get_options(source, {"zipmap": False}, fail=False) is not None:
            scope.add_options(id(source), {"zipmap": False})
        outputs = _parse_sklearn(scope, source, block.outputs, custom_parsers)
        for variable in outputs:
            variable.init_status(is_leaf=False)  # a search takes its own for those of the graph
        said.append(outputs[1] if hasattr(source, "predict_proba") else outputs[0])
    return _parse_sklearn_classifier(scope, model, [*inputs[:1], *said], custom_parsers)


def _of_source(model, m: int):
    """The fitted classifier of a source, out of its frame."""
    estimator = model.estimators_[m]
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator
