# Made by tests/stubs.py from the module: do not edit.
"""The compiled part of `cloudoptim`. Import `cloudoptim` instead."""
from typing import Final
__version__: Final[str]

def parse_bytes(quantity: str, /) -> int:
    """Bytes that a Kubernetes quantity asks for, rounded up.

    >>> import cloudoptim as co
    >>> co.parse_bytes("1.5Gi")
    1610612736
    >>> co.parse_bytes("1gi")
    Traceback (most recent call last):
        ...
    cloudoptim.ConfigError: unknown suffix "gi" in quantity "1gi"

    Raises `ConfigError` for what Kubernetes refuses and for what is below zero.
    """

def parse_milli_cpu(quantity: str, /) -> int:
    """Thousandths of a core that a Kubernetes quantity asks for, rounded up.

    >>> import cloudoptim as co
    >>> co.parse_milli_cpu("1.5"), co.parse_milli_cpu("100m")
    (1500, 100)

    Raises `ConfigError` for what Kubernetes refuses and for what is below zero.
    """

class CloudOptimError(Exception):
    """What every exception of this package derives from."""

class ConfigError(CloudOptimError):
    """A setting or an input that cannot be meant: the message names it."""

class ProviderError(CloudOptimError):
    """A cloud or a cluster did not answer, or refused."""

class AccessDeniedError(ProviderError):
    """The provider knows who asks and refuses: a permission is missing."""

class ThrottledError(ProviderError):
    """The provider asks for fewer requests; try again later."""
