"""What tests of the configuration file ask of it."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.configuration import yaml_file
from bridge.configuration.yaml_file import ConfigFileError
from bridge.models import (
    AliasTarget,
    Backend,
    Change,
    DiscoveredModel,
    ModelAlias,
    Price,
    ToolNameMap,
)


def put(text: str, **how: bool) -> list[str]:
    """Import a text; what changed, as ``verb kind label``."""
    changes = yaml_file.apply(yaml_file.read(text), "test", **how)
    return [f"{change.verb} {change.kind} {change.label}" for change in changes]


def problems(text: str, **how: bool) -> list[str]:
    before = state()
    with pytest.raises(ConfigFileError) as refused:
        put(text, **how)
    assert state() == before, "something of a refused file was kept"
    return refused.value.problems


def state() -> list[Any]:
    kinds = (Backend, DiscoveredModel, ModelAlias, AliasTarget, ToolNameMap, Price, Change)
    return [list(kind._default_manager.order_by("pk").values()) for kind in kinds]
