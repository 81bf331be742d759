"""The Helm chart: its values against their schema, and what Helm itself makes of them.

Helm comes as a library in a package that CI installs; without it the schema alone is checked. No
cluster is asked: whether its API takes the objects is not checked here.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from tests.deploy.fronts import DEPLOY
from tests.deploy.test_containers import CLOSING, DOCKERFILE, KUBERNETES_SEVERAL, containers

CHART = DEPLOY / "helm"
SETS = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").iterdir())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
SEVERAL = {"replicas": 2, "database": {"url": "postgres://db/g"}, "secretKey": {"value": "k" * 32}}

LINT_WARNING = 2

Json = dict[str, Any]


def values(name: str) -> Json:
    found: Json = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text())
    return found


@pytest.fixture
def helm() -> Any:
    return pytest.importorskip("helm_python", reason="Helm: pip install -r requirements-ci.txt")


def rendered(helm: Any, given: Json) -> dict[tuple[str, str], Json]:
    """The objects by kind and name, of a release called `one`."""
    with helm.Chart.load(str(CHART)) as chart:
        chart.validate_schema(given)
        texts = chart.render(given, name="one", namespace="gateways")
    found = [each for text in texts.values() for each in yaml.safe_load_all(text) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def gateway(objects: dict[tuple[str, str], Json]) -> Json:
    pod: Json = objects["StatefulSet", "one-claude-bridge"]["spec"]["template"]["spec"]
    return pod


def variables(pod: Json) -> dict[str, Any]:
    env = pod["containers"][0]["env"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in env}


# --- the schema -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_values_pass_the_schema(name: str) -> None:
    jsonschema.validate(values(name), SCHEMA)


def test_defaults_pass_the_schema_and_name_every_value() -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    jsonschema.validate(defaults, SCHEMA)
    assert defaults.keys() == SCHEMA["properties"].keys() - {"global"}
    for name, value in defaults.items():
        members = SCHEMA["properties"][name].get("properties")
        assert members is None or value.keys() == members.keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"replica": 3},
        {"replicas": 0},
        {"settings": {"max_messages": "5"}},
        {"settings": {"MAX_MESSAGES": 5}},
        {"settings": {"DATABASE_URL": "postgres://db/g"}},
        {"database": {"url": "mysql://db/g"}},
        {"secretKey": {"value": "short"}},
        {"redis": {"url": "localhost:6379"}},
        {"ingress": {"trustedProxies": ["everybody"]}},
        {"ingress": {"path": "gateway"}},
        {"ingress": {"path": "/gateway/"}},
    ],
    ids=str,
)
def test_schema_refuses(wrong: Json) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


# --- what Helm makes of it --------------------------------------------------------------------


def test_helm_lints_the_chart(helm: Any) -> None:
    report = helm.lint(str(CHART), strict=True)
    assert report["total_charts_linted"] == 1
    assert not report["errors"]
    assert not [each for each in report["messages"] if each["severity"] >= LINT_WARNING]


def test_one_pod_has_a_volume_and_nothing_that_several_need(helm: Any) -> None:
    objects = rendered(helm, values("single"))
    kinds = {kind for kind, _ in objects}
    assert kinds == {"StatefulSet", "Service", "NetworkPolicy"}
    seen = variables(gateway(objects))
    assert seen["CHUTES_API_KEY_FILE"] == "/secrets/backend-key"
    assert not seen.keys() & {"DATABASE_URL", "SECRET_KEY", "REDIS_URL"}


def test_several_pods_share_secrets_and_migrate_before_they_start(helm: Any) -> None:
    objects = rendered(helm, values("several"))
    job = objects["Job", "one-claude-bridge-migrate"]
    secret = objects["Secret", "one-claude-bridge"]
    weights = [
        int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in (secret, job)
    ]
    assert weights == sorted(weights) and weights[0] != weights[1]
    assert secret["stringData"].keys() == {"DATABASE_URL", "SECRET_KEY", "REDIS_URL"}
    pod = gateway(objects)
    assert variables(pod) == variables(job["spec"]["template"]["spec"])
    for name in secret["stringData"]:
        reference = {"name": "one-claude-bridge", "key": name}
        assert variables(pod)[name] == {"secretKeyRef": reference}
    assert variables(pod)["TRUSTED_PROXIES"] == "10.244.0.0/16"
    assert ("PodDisruptionBudget", "one-claude-bridge") in objects
    assert ("Ingress", "one-claude-bridge") in objects


def test_pods_are_those_of_the_plain_manifest(helm: Any) -> None:
    """Two descriptions of one thing: they differ in names, images and where settings come from."""
    (plain,) = containers(KUBERNETES_SEVERAL, "claude-bridge")
    (made,) = gateway(rendered(helm, SEVERAL))["containers"]
    for name in ("ports", "lifecycle", "resources", "securityContext", "volumeMounts"):
        assert made[name] == plain[name]
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert made[name] == plain[name]
    assert "\nUSER 10001:10001\n" in DOCKERFILE.read_text()
    assert gateway(rendered(helm, SEVERAL))["securityContext"]["runAsUser"] == 10001


@pytest.mark.parametrize(("delay", "seconds"), [(5, 30), (20, 300)])
def test_pod_is_not_killed_while_it_drains(helm: Any, delay: int, seconds: int) -> None:
    pod = gateway(rendered(helm, {"drain": {"delaySeconds": delay, "seconds": seconds}}))
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", str(delay)]
    assert variables(pod)["DRAIN_SECONDS"] == str(seconds)
    assert pod["terminationGracePeriodSeconds"] > delay + seconds + CLOSING


def test_everything_that_can_be_asked_for_comes(helm: Any) -> None:
    objects = rendered(helm, values("everything"))
    name = "one-claude-bridge"
    assert ("Secret", name) not in objects
    scaler = objects["HorizontalPodAutoscaler", name]["spec"]
    metric = scaler["metrics"][0]["pods"]["metric"]["name"]
    reference = DEPLOY.parent / "docs" / "reference" / "metrics.md"
    assert f"`{metric}`" in reference.read_text()
    assert "replicas" not in objects["StatefulSet", name]["spec"]
    (endpoint,) = objects["ServiceMonitor", name]["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"]["name"] == "bridge-metrics"
    pods = objects["Service", f"{name}-pods"]
    wanted = objects["ServiceMonitor", name]["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= pods["metadata"]["labels"].items()
    (rule,) = objects["NetworkPolicy", name]["spec"]["ingress"]
    assert rule["from"][0]["namespaceSelector"]
    assert gateway(objects)["nodeSelector"] == {"kubernetes.io/arch": "arm64"}


def test_probes_ask_by_a_name_that_is_served(helm: Any) -> None:
    """Behind an ingress ALLOWED_HOSTS has its name alone; /health is served under any."""
    pod = gateway(rendered(helm, values("several")))
    for probe in ("startupProbe", "livenessProbe"):
        (header,) = pod["containers"][0][probe]["httpGet"]["httpHeaders"]
        assert header == {"name": "Host", "value": variables(pod)["ALLOWED_HOSTS"]}


@pytest.mark.parametrize(("path", "base"), [("/", None), ("/ai/gateway", "/ai/gateway")])
def test_gateway_knows_the_path_of_its_ingress(helm: Any, path: str, base: str | None) -> None:
    given = {"ingress": {"enabled": True, "path": path}}
    objects = rendered(helm, given)
    (rule,) = objects["Ingress", "one-claude-bridge"]["spec"]["rules"]
    assert [each["path"] for each in rule["http"]["paths"]] == [path]
    assert variables(gateway(objects)).get("BASE_PATH") == base


@pytest.mark.parametrize("missing", ["database", "secretKey"])
def test_several_pods_without_what_they_share_are_refused(helm: Any, missing: str) -> None:
    given = {name: value for name, value in SEVERAL.items() if name != missing}
    with pytest.raises(helm.HelmError, match=f"set {missing}"):
        rendered(helm, given)


def test_every_selector_finds_the_pods(helm: Any) -> None:
    objects = rendered(helm, values("everything"))
    labels = objects["StatefulSet", "one-claude-bridge"]["spec"]["template"]["metadata"]["labels"]
    for (kind, _), each in objects.items():
        selector = each["spec"].get("podSelector") or each["spec"].get("selector") or {}
        matched = selector.get("matchLabels", selector)
        if kind not in ("ServiceMonitor",):
            assert matched.items() <= labels.items(), kind
