"""Which model a caller's client is to use, and what is known of it. Pure."""

from __future__ import annotations

from bridge.client_settings.variables import YOUR_KEY, YOUR_MODEL, ClientSetup
from bridge.routing import main_model, resolve
from bridge.routing.promised_facts import promised_facts
from bridge.routing.served import EVERYTHING, Access
from bridge.routing.types import Routes
from bridge.translation.errors.api_error import ApiError
from bridge.translation.profiles import ModelFacts
from bridge.translation.safeguards import judge_model

ANY_KEY = "any-key"
"""The demo backend takes every key."""


def setup(
    routes: Routes,
    base_url: str,
    name: str = "",
    small: str = "",
    access: Access = EVERYTHING,
    safeguards: str = "",
) -> ClientSetup:
    """The connection of a caller who asks for `name`; for "" the main model of this gateway.

    A model that is not known stands there as `YOUR_MODEL`. `safeguards`: the setting of this name.
    """
    caught = main_model.caught_families(routes, access)
    key = ANY_KEY if any(backend.is_demo for backend in routes.backends) else YOUR_KEY
    chosen = name or _main(routes, access)
    judged = _is_judged(routes, chosen, safeguards)
    return ClientSetup(base_url, chosen, _facts(routes, chosen), small, key, caught, judged)


def _main(routes: Routes, access: Access) -> str:
    usable = main_model.main_model(routes, access)
    return usable.name if usable else YOUR_MODEL


def _is_judged(routes: Routes, name: str, safeguards: str) -> bool:
    try:
        chosen = resolve.resolve(routes, name).overrides.safeguards
    except ApiError:
        chosen = ""
    return bool(judge_model(chosen or safeguards))


def _facts(routes: Routes, name: str) -> ModelFacts:
    try:
        return promised_facts(resolve.resolve(routes, name).targets) or ModelFacts(name)
    except ApiError:
        return ModelFacts(name)
