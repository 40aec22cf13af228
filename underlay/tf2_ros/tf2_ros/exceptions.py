"""Why there is no transform, under the names of tf2."""

# the names are tf2's
# ruff: noqa: N818

from __future__ import annotations


class TransformException(Exception):
    """Root of all of them."""


class InvalidArgumentException(TransformException):
    """A frame name that cannot be one."""


class LookupException(TransformException):
    """A frame that no transform has named yet."""


class ConnectivityException(TransformException):
    """Two known frames without a common ancestor."""


class ExtrapolationException(TransformException):
    """The time lies before or after what is recorded."""
