"""The rows that decide where a request goes, what discovery learnt, and what was used.

A row comes from one of two places: the environment (written at every start to match it, read-only
in the admin) or an operator. `base` has what they share, `changes` their history. `ledger` has the
rows of the requests themselves, and their sums.
"""

from bridge.models.aliases import AliasTarget, ModelAlias, ToolNameMap
from bridge.models.attempts import AttemptHour
from bridge.models.backends import Backend, BreakerMode, BreakerState, DiscoveredModel
from bridge.models.base import ConfigRow, ConfigVersion, Document, Origin
from bridge.models.changes import Change
from bridge.models.learned import LearnedFact
from bridge.models.ledger_marks import LateHours, LostRecords, SpoolPosition, UsageHorizon
from bridge.models.people import persons  # noqa: F401 - connects its receivers
from bridge.models.people.admin_tokens import AdminToken
from bridge.models.people.ended_keys import EndedKey, KeyUse
from bridge.models.people.group_mappings import GroupMapping, ProvidedRole
from bridge.models.people.keys import ApiKey
from bridge.models.people.saved_views import SavedView
from bridge.models.people.sign_ins import DeviceRequest, SignIn
from bridge.models.people.teams import PersonLimits, Team, TeamMember
from bridge.models.prices import Price
from bridge.models.processes import GatewayProcess, Lease
from bridge.models.sums.kept import KeyDay, ModelDay, ModelHour, TeamHour, TotalHour
from bridge.models.usage import (
    KeyLabel,
    UsageHour,
    UsageRecord,
    UsageSession,
)
from bridge.models.warnings.events import DeliveryOutcome, WarningDelivery, WarningEvent
from bridge.models.warnings.rules import WarningRule

__all__ = [
    "AdminToken",
    "AliasTarget",
    "ApiKey",
    "AttemptHour",
    "Backend",
    "BreakerMode",
    "BreakerState",
    "Change",
    "ConfigRow",
    "ConfigVersion",
    "DeliveryOutcome",
    "DiscoveredModel",
    "DeviceRequest",
    "Document",
    "EndedKey",
    "GatewayProcess",
    "GroupMapping",
    "KeyDay",
    "KeyLabel",
    "KeyUse",
    "Lease",
    "LateHours",
    "LostRecords",
    "LearnedFact",
    "ModelAlias",
    "ModelDay",
    "ModelHour",
    "Origin",
    "PersonLimits",
    "Price",
    "ProvidedRole",
    "SavedView",
    "SignIn",
    "SpoolPosition",
    "Team",
    "TeamHour",
    "TeamMember",
    "ToolNameMap",
    "TotalHour",
    "UsageHorizon",
    "UsageHour",
    "UsageRecord",
    "UsageSession",
    "WarningDelivery",
    "WarningEvent",
    "WarningRule",
]
