"""Nodes of an ONNX graph, written as one would write the same in NumPy.

Everything is computed in double precision, whatever the type of the input: sums of squares and
exponents of kernels lose too many digits in single, and estimators work in double, too. What
stands in the graph for an array is its name, a string.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

# Types of elements, as ONNX numbers them.
FLOAT, INT64, STRING, BOOL, DOUBLE = 1, 7, 8, 9, 11
# From this version of the operators on axes are an input, no attribute.
AXES_ARE_INPUT = {"ReduceSum": 13}
AXES_ARE_INPUT_LATER = 18
ML = "ai.onnx.ml"


class Graph:
    """What a converter of skl2onnx adds nodes to.

    Parameters
    ----------
    scope, operator, container : object
        What skl2onnx hands to a converter.
    """

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self.scope, self.container = scope, container
        self.outputs = [out.full_name for out in operator.outputs]
        self.inputs = [given.full_name for given in operator.inputs]
        # what is single comes out single, also between two steps
        self.single = type(operator.inputs[0].type).__name__ == "FloatTensorType"

    def __call__(self, op: str, *inputs: Any, domain: str = "", **attributes: Any) -> str:
        """Add a node; give the name of what comes out of it.

        Inputs are names, or arrays and numbers, which become constants.
        """
        names = [given if isinstance(given, str) else self.constant(given) for given in inputs]
        out = self.scope.get_unique_variable_name(op.lower())
        name = self.scope.get_unique_operator_name(op)
        self.container.add_node(op, names, [out], op_domain=domain, name=name, **attributes)
        return out

    def constant(self, values: Any) -> str:
        """Name of an array of doubles, of integers where these are integers, or of strings."""
        from onnx import numpy_helper

        values, name = np.asarray(values), self.scope.get_unique_variable_name("constant")
        if values.dtype.kind in "OUS":
            content = [str(value).encode() for value in values.ravel()]
            self.container.add_initializer(name, STRING, values.shape, content)
            return name
        kind = np.int64 if values.dtype.kind in "iu" else np.float64
        tensor = numpy_helper.from_array(np.ascontiguousarray(values, dtype=kind))
        tensor.dims[:] = values.shape  # a number has none
        self.container.add_initializer(name, tensor.data_type, values.shape, tensor)
        return name

    # -- shorthand -------------------------------------------------------------------------------

    def add(self, *terms: Any) -> Any:
        """Sum of terms."""
        total, *rest = terms
        for term in rest:
            total = self("Add", total, term)
        return total

    def cast(self, x: str, kind: int) -> str:
        """Another type of elements."""
        return self("Cast", x, to=kind)

    def reduced(self, op: str, x: str, axis: int, keep: bool = True) -> str:
        """Reduce an axis: "ReduceSum", "ReduceMax", ..."""
        if self.container.target_opset >= AXES_ARE_INPUT.get(op, AXES_ARE_INPUT_LATER):
            return self(op, x, np.array([axis]), keepdims=int(keep))
        return self(op, x, axes=[axis], keepdims=int(keep))

    def columns(self, x: str, which: Sequence[int] | np.ndarray) -> str:
        """Some columns of rows."""
        return self("Gather", x, np.asarray(which, dtype=np.int64), axis=1)

    def concat(self, parts: Sequence[str]) -> str:
        """Columns side by side."""
        return self("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]

    def affine(self, x: str, matrix: np.ndarray, mean: Any) -> str:
        """``(x - mean) @ matrix``."""
        return self("MatMul", self("Sub", x, mean), matrix)

    def divided(self, x: str, by: str) -> str:
        """Quotient with non-negative numbers, the dividend itself where these are zero."""
        some = self("Where", self("Equal", by, 0.0), 1.0, by)
        return self("Div", x, some)

    def at_least(self, x: str, low: Any) -> str:
        """Numbers, or a bound where they are less; NaN stays NaN, which Max does not promise."""
        return self("Where", self("Less", x, low), low, x)

    def at_most(self, x: str, high: Any) -> str:
        """Numbers, or a bound where they are more; NaN stays NaN."""
        return self("Where", self("Greater", x, high), high, x)

    def like_input(self, x: str) -> str:
        """Doubles that have been rounded to single precision, if the input is of single."""
        return self.cast(self.cast(x, FLOAT), DOUBLE) if self.single else x

    # -- ends ------------------------------------------------------------------------------------

    def rows(self) -> str:
        """The rows that the operator is given, as doubles."""
        return self.cast(self.inputs[0], DOUBLE)

    def give(self, x: str, number: int = 0, kind: int | None = None) -> None:
        """Let an output of the operator be this, in a type, or in that of the input."""
        kind = (FLOAT if self.single else DOUBLE) if kind is None else kind
        self.container.add_node(
            "Cast" if kind != STRING else "Identity",
            [x],
            [self.outputs[number]],
            name=self.scope.get_unique_operator_name("Output"),
            **({"to": kind} if kind != STRING else {}),
        )
