"""Fitted models as ONNX graphs: what runs them needs neither Python nor this package."""

from ._convert import register_converters, to_onnx

__all__ = ["register_converters", "to_onnx"]
