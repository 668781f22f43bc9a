"""The one place that states the version."""

__version__ = "0.1.0"
"""The version of this package; the server's is told by `version()`.

Example:
    >>> len(__version__.split(".")) >= 3
    True
"""
