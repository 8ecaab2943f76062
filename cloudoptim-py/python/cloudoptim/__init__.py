"""Cuts the cost of Kubernetes clusters on AWS without an agent in the cluster.

Decisions are pure: a snapshot goes in, a plan comes out, and the same input
gives the same plan. Nothing here talks to a cloud or a cluster.

>>> import cloudoptim as co
>>> snapshot = co.Snapshot.from_json('{"version": 1, "taken_at": "2026-11-22T02:30:00Z"}')
>>> co.optimize(snapshot)
Plan(steps=0, declined=0, saves_usd_per_month=0.00)

What goes wrong is a `CloudOptimError`, sorted by what a caller can do about it:

>>> [error.__name__ for error in co.ThrottledError.__mro__[:3]]
['ThrottledError', 'ProviderError', 'CloudOptimError']
"""

from ._cloudoptim import (
    AccessDeniedError,
    BinPacking,
    CloudOptimError,
    ConfigError,
    Declined,
    GhostProbe,
    Network,
    OfficeHours,
    Oom,
    Plan,
    ProviderError,
    Reason,
    Rightsizing,
    Snapshot,
    Spot,
    Step,
    ThrottledError,
    ZombieVolumes,
    __version__,
    optimize,
    parse_bytes,
    parse_milli_cpu,
)

__all__ = [
    "AccessDeniedError",
    "BinPacking",
    "CloudOptimError",
    "ConfigError",
    "Declined",
    "GhostProbe",
    "Network",
    "OfficeHours",
    "Oom",
    "Plan",
    "ProviderError",
    "Reason",
    "Rightsizing",
    "Snapshot",
    "Spot",
    "Step",
    "ThrottledError",
    "ZombieVolumes",
    "__version__",
    "optimize",
    "parse_bytes",
    "parse_milli_cpu",
]
