"""The version of the package: nowhere else is it written down."""

__version__ = "0.1.0rc1"
