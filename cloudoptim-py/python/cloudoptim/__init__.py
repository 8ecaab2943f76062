"""Cuts the cost of Kubernetes clusters on AWS without an agent in the cluster.

Decisions are pure: a snapshot goes in, a plan comes out, and the same input
gives the same plan. Nothing here talks to a cloud or a cluster.

What goes wrong is a `CloudOptimError`, sorted by what a caller can do about it:

>>> import cloudoptim as co
>>> [error.__name__ for error in co.ThrottledError.__mro__[:3]]
['ThrottledError', 'ProviderError', 'CloudOptimError']
"""

from ._cloudoptim import (
    AccessDeniedError,
    CloudOptimError,
    ConfigError,
    ProviderError,
    ThrottledError,
    __version__,
    parse_bytes,
    parse_milli_cpu,
)

__all__ = [
    "AccessDeniedError",
    "CloudOptimError",
    "ConfigError",
    "ProviderError",
    "ThrottledError",
    "__version__",
    "parse_bytes",
    "parse_milli_cpu",
]
