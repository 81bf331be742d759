"""The rows that decide where a request goes, and what discovery learnt.

A row comes from one of two places: the environment (written at every start to match it, read-only
in the admin) or an operator. `base` has what they share, `changes` their history.
"""

from bridge.models.backends import Backend, BreakerMode, BreakerState, DiscoveredModel
from bridge.models.base import ConfigRow, ConfigVersion, Document, Origin
from bridge.models.changes import Change
from bridge.models.keys import ApiKey
from bridge.models.routes import AliasTarget, ModelAlias, Price, ToolNameMap

__all__ = [
    "AliasTarget",
    "ApiKey",
    "Backend",
    "BreakerMode",
    "BreakerState",
    "Change",
    "ConfigRow",
    "ConfigVersion",
    "DiscoveredModel",
    "Document",
    "ModelAlias",
    "Origin",
    "Price",
    "ToolNameMap",
]
