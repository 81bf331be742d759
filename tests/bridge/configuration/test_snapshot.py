"""Snapshots: rows in, one immutable configuration out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.configuration.snapshot import DEMO_MODEL, build, profile_of
from bridge.models import ApiKey, Backend, DiscoveredModel, LearnedFact, Origin, ToolNameMap
from bridge.routing import resolve
from bridge.routing.types import Alias, ToolName, WeightedTarget
from bridge.translation.facts import Fact
from bridge.translation.request.overrides import Overrides
from tests.bridge.rows import a_row, an_alias

pytestmark = pytest.mark.usefixtures("nothing_in_the_environment")
with_rows = pytest.mark.django_db


# --- rows -> snapshot --------------------------------------------------------------------------


@with_rows
def test_backend_is_what_its_row_says(settings: Any) -> None:
    settings.BACKEND_SECRET = {"KEY": "cpk_operators"}.get
    a_row(
        url="https://h/v1/",
        credential="env:KEY",
        auth_header="X-Api-Key",
        timeout_seconds=7,
        family="vllm",
    )
    (backend,) = build(1).routes.backends
    assert (backend.name, backend.url, backend.timeout) == ("main", "https://h/v1", 7.0)
    assert (backend.key, backend.auth_header) == ("cpk_operators", "x-api-key")
    assert (backend.profile.name, backend.models) == ("vllm", None)


@with_rows
def test_backend_has_the_shares_clocks_and_breaker_of_its_row() -> None:
    """backends.py: position, weight, idle_seconds, breaker_mode."""
    a_row(position=3, weight=7, idle_seconds=20, breaker_mode="closed")
    a_row("usual", position=4)
    first, second = build(1).routes.backends
    assert (first.position, first.weight, first.idle, first.breaker) == (3, 7, 20.0, "closed")
    assert (second.weight, second.idle, second.breaker) == (1, None, "automatic")


@with_rows
def test_operators_word_on_a_model_goes_first_and_needs_no_list() -> None:
    """backends.py: three answers to each question, the operator's first and the list's last."""
    row = a_row()
    told = {"context": 100, "vision": False, "probed": {"context": 200, "tools": True}}
    row.models.create(name="m", **told, context_override=300)
    said = {"family": "vllm", "inline_thinking": "open", "written_calls": False}
    row.models.create(name="unlisted", listed=False, vision_override=True, **said)
    (backend,) = build(1).routes.backends
    assert set(backend.models or ()) == {"m"}
    known, unlisted = backend.model_facts["m"], backend.model_facts["unlisted"]
    assert (known.context, known.vision, known.tools) == (300, False, True)
    assert (unlisted.vision, unlisted.context) == (True, None)
    assert {name: getattr(unlisted, name) for name in said} == said


@with_rows
@pytest.mark.parametrize(("credential", "in_use"), [("env:KEY", True), ("", False)])
def test_operators_key_in_use_is_noticed(settings: Any, credential: str, in_use: bool) -> None:
    """wire G10 hangs on it."""
    settings.BACKEND_SECRET = {"KEY": "cpk_operators"}.get
    a_row(credential=credential)
    assert build(1).operator_key_in_use is in_use


@with_rows
def test_backends_stand_in_the_order_of_their_positions() -> None:
    for name, position in (("c", 1), ("b", 2), ("a", 2), ("z", 0)):
        a_row(name, position=position)
    a_row("off", position=0, enabled=False)
    assert [backend.name for backend in build(1).routes.backends] == ["z", "c", "a", "b"]


@with_rows
def test_listed_models_come_with_their_facts() -> None:
    row = a_row()
    DiscoveredModel.objects.create(
        backend=row, name="m", context=4096, max_output=512, vision=False
    )
    DiscoveredModel.objects.create(backend=row, name="gone", listed=False)
    LearnedFact.objects.create(backend=row, model="m", what="refuses", value="strict")
    (backend,) = build(1).routes.backends
    assert backend.models is not None
    assert set(backend.models) == {"m"}
    known = backend.models["m"]
    assert (known.context, known.max_output, known.vision, known.tools) == (4096, 512, False, None)
    assert [learnt.fact for learnt in backend.learnt["m"]] == [Fact("refuses", "strict")]


@with_rows
def test_aliases_and_tool_names_come_along() -> None:
    row = a_row()
    made = an_alias("fast", (row, "m"), (row, "n"), temperature=0.5)
    an_alias("off", (row, "m"), enabled=False)
    made.targets.filter(model="n").update(position=1, weight=3)
    ToolNameMap.objects.create(backend_name="shell", client_name="Bash", model_pattern="*x*")
    routes = build(1).routes
    choices = (WeightedTarget("main", "m"), WeightedTarget("main", "n", 3, 1))
    said = Overrides(temperature=0.5)
    assert routes.aliases == (Alias("fast", choices, said, made.pk),)
    assert routes.tool_names == (ToolName("shell", "Bash", "*x*"),)


@with_rows
@pytest.mark.parametrize("repair", [True, False])
def test_case_repair_is_a_setting(settings: Any, repair: bool) -> None:
    """Seeds: AUTO_FIX_MODEL_CASE."""
    settings.AUTO_FIX_MODEL_CASE = repair
    assert build(1).routes.repair_case is repair


@with_rows
def test_issued_keys_are_known_by_digest() -> None:
    row, _ = ApiKey.issue("team")
    ApiKey.objects.update(expires_at=datetime(2030, 1, 1, tzinfo=UTC))
    off, _ = ApiKey.issue("off")
    off.enabled = False
    off.save()
    keys = build(1).keys
    assert keys[row.digest].name == "team"
    assert keys[row.digest].expires_at == datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    assert (keys[off.digest].enabled, keys[off.digest].expires_at) == (False, None)


# --- the demo ----------------------------------------------------------------------------------


@with_rows
def test_demo_plays_where_nothing_is_configured() -> None:
    """design, Demo backend; Claude Code's own names reach it too."""
    built = build(1)
    assert built.is_demo
    for name in (DEMO_MODEL, "claude-opus-4-1"):
        target = resolve.resolve(built.routes, name).targets[0]
        assert (target.backend.is_demo, target.model) == (True, DEMO_MODEL)


@with_rows
def test_demo_does_not_stand_in_for_a_backend_that_is_switched_off() -> None:
    """design, Demo backend: only where no backend is configured."""
    a_row(enabled=False)
    built = build(1)
    assert (built.is_demo, built.routes.backends) == (False, ())


@with_rows
def test_demo_plays_again_when_the_environment_names_no_backend_any_more() -> None:
    """environment_rows.py: its row is kept, out of use."""
    a_row(enabled=False, origin=Origin.ENVIRONMENT)
    assert build(1).is_demo


# --- families ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "owner", "family", "profile"),
    [
        ("https://openrouter.ai/api/v1", "", "auto", "openrouter"),
        ("https://api.deepseek.com/v1", "", "auto", "deepseek"),
        ("https://llm.chutes.ai/v1", "vllm", "auto", "chutes"),
        ("https://api.moonshot.ai/v1", "", "auto", "moonshot"),
        ("https://api.moonshot.cn/v1", "", "auto", "moonshot"),
        ("https://api.kimi.com/coding/v1", "", "auto", "moonshot"),
        ("https://api.z.ai/api/paas/v4", "", "auto", "zai"),
        ("https://open.bigmodel.cn/api/paas/v4", "", "auto", "zai"),
        ("https://api.minimax.io/v1", "", "auto", "minimax"),
        ("https://api.minimaxi.com/v1", "", "auto", "minimax"),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "", "auto", "dashscope"),
        ("https://api.siliconflow.cn/v1", "", "auto", "siliconflow"),
        ("https://api.groq.com/openai/v1", "", "auto", "groq"),
        ("https://api.mistral.ai/v1", "", "auto", "mistral"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "", "auto", "gemini"),
        ("https://x.openai.azure.com/openai/v1", "", "auto", "azure"),
        ("http://10.0.0.1:1234/v1", "", "auto", "lmstudio"),
        ("http://10.0.0.1:9000/v1", "organization_owner", "auto", "lmstudio"),
        ("http://10.0.0.1:9000/v1", "moonshot", "auto", "moonshot"),
        ("https://api.openai.com/v1", "openai", "auto", "openai"),
        ("http://127.0.0.1:11434/v1", "library", "auto", "ollama"),
        ("http://10.0.0.5:8000/v1", "vllm", "auto", "vllm"),
        ("http://10.0.0.5:8000/v1", "sglang", "auto", "sglang"),
        ("http://10.0.0.5:8000/v1", "llamacpp", "auto", "llamacpp"),
        ("http://10.0.0.5:8000/v1", "somebody", "auto", "generic"),
        ("http://10.0.0.5:8000/openrouter.ai/v1", "", "auto", "generic"),
        ("https://llm.chutes.ai/v1", "", "vllm", "vllm"),
    ],
)
def test_family_is_told_by_the_row_the_address_or_the_list(
    url: str, owner: str, family: str, profile: str
) -> None:
    """wire G14: `auto` looks at what `/v1/models` and the base URL give away."""
    rows = [DiscoveredModel(name="a", entry={}), DiscoveredModel(entry={"owned_by": owner})]
    assert profile_of(Backend(url=url, family=family), rows).name == profile
