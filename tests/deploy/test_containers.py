"""What the container files promise, checked without a container engine.

Linters and Docker's own Compose program come as Python packages; a test whose tool cannot run here
is skipped and says which. What no linter can know is tried for real: the health check asks a
server, and the build step runs on a copy that holds exactly what the image would get.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.fakes.redis import RedisServer

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"
GUIDE = ROOT / "docs" / "how-to" / "deploy.md"
KUBERNETES = ROOT / "deploy" / "kubernetes.yaml"
KUBERNETES_SEVERAL = ROOT / "deploy" / "kubernetes-several.yaml"
REDIS = "COMPOSE_PROFILES=redis\nREDIS_URL=redis://redis:6379\n"
WORKLOADS = ("Deployment", "StatefulSet")
WAIT_SECONDS = 60
DRAIN_SECONDS = 30
CLOSING = 10

Json = dict[str, Any]


def tool(name: str, version: str = "--version") -> str:
    """The program from this environment's packages; skips the test where it cannot run."""
    path = shutil.which(name, path=str(Path(sys.executable).parent))
    if path is None:
        pytest.skip(f"{name} is not installed: pip install -r requirements-dev.txt")
    if not run([path, version]).stdout.strip():
        pytest.skip(f"the packaged {name} does not run on this machine")
    return path


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False, **options
    )


def health_check() -> list[str]:
    """The command of the image's health check, for this Python."""
    found = re.search(r"^HEALTHCHECK .*\\\n +CMD (\[.+\])$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found, "the Dockerfile has no HEALTHCHECK with a command list"
    interpreter, *arguments = json.loads(found.group(1))
    assert interpreter == "python"
    return [sys.executable, *arguments]


def built_from() -> list[str]:
    """The top-level names that .dockerignore lets into an image."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*", "everything is kept out unless it is named"
    return [pattern[1:].rstrip("/") for pattern in patterns if pattern.startswith("!")]


class Project:
    """The Compose file in an empty folder, with a .env of the test's choice."""

    def __init__(self, folder: Path, program: str) -> None:
        self._folder = folder
        self._program = program
        shutil.copy(ROOT / "docker-compose.yml", folder)

    def configured(self, dotenv: str | None = None) -> Json:
        """The services as Compose would start them; what it prints must be free of warnings."""
        if dotenv is not None:
            (self._folder / ".env").write_text(dotenv)
        result = run(
            [self._program, "config", "--format", "json"],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder)},
        )
        assert result.stderr == ""
        # In what it prints (not in the container) every dollar sign is doubled.
        services: Json = json.loads(result.stdout.replace("$$", "$"))["services"]
        return services


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, tool("docker-compose", "version"))


def published(service: Json) -> list[tuple[str, str, int, str]]:
    return [
        (port["host_ip"], port["published"], port["target"], port["protocol"])
        for port in service["ports"]
    ]


def seconds(duration: str) -> int:
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration).groups(default="0")  # type: ignore[union-attr]
    return int(minutes) * 60 + int(rest)


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    result = run([tool("hadolint"), str(DOCKERFILE)])
    assert (result.stdout, result.returncode) == ("", 0)


def test_compose_needs_no_env_file_and_publishes_on_this_machine_only(project: Project) -> None:
    """Ours: whoever starts it without reading anything has opened no port to the network."""
    services = project.configured()
    assert published(services["proxy"]) == [("127.0.0.1", "8080", 8080, "tcp")]
    assert published(services["caddy"]) == [
        ("127.0.0.1", "8180", 80, "tcp"),
        ("127.0.0.1", "8443", 443, "tcp"),
        ("127.0.0.1", "8443", 443, "udp"),
    ]


@pytest.mark.parametrize("port", ["8080", "8090", "8181"])
def test_one_variable_moves_the_host_port_and_not_the_containers(
    project: Project, port: str
) -> None:
    """8090 and 8181 are what users of similar gateways are used to. PORT inside must not follow."""
    proxy = project.configured(f"HOST_PORT={port}\nPORT=9999\nHOST=127.0.0.1\n")["proxy"]
    assert published(proxy) == [("127.0.0.1", port, 8080, "tcp")]
    environment = proxy["environment"]
    assert (environment["HOST"], environment["PORT"]) == ("0.0.0.0", "8080")


def test_host_bind_opens_the_port(project: Project) -> None:
    proxy = project.configured("HOST_BIND=0.0.0.0\n")["proxy"]
    assert published(proxy) == [("0.0.0.0", "8080", 8080, "tcp")]


@pytest.mark.parametrize(
    "written",
    [
        '{"claude-*": "zai-org/GLM-4.5-Air", "*haiku*": "test/small"}',
        """'{"claude-*": "zai-org/GLM-4.5-Air", "*haiku*": "test/small"}'""",
    ],
    ids=["bare", "in single quotes"],
)
def test_a_json_map_reaches_the_container_unharmed(project: Project, written: str) -> None:
    """Ours: no `${MODEL_MAP:-{}}` in the Compose file, which ends a set map with one more brace."""
    environment = project.configured(f"MODEL_MAP={written}\n")["proxy"]["environment"]
    assert environment["MODEL_MAP"] == written.strip("'")


def test_single_quotes_protect_a_dollar_sign(project: Project) -> None:
    environment = project.configured("CHUTES_API_KEY='cpk_$abc#{1}'\n")["proxy"]["environment"]
    assert environment["CHUTES_API_KEY"] == "cpk_$abc#{1}"


def test_caddy_gets_a_domain_and_open_ports_from_the_env_file(project: Project) -> None:
    """R23."""
    caddy = project.configured(
        "CADDY_DOMAIN=claude.example.org\nCADDY_BIND=0.0.0.0\n"
        "CADDY_HTTP_PORT=80\nCADDY_HTTPS_PORT=443\n"
    )["caddy"]
    assert caddy["environment"]["CADDY_DOMAIN"] == "claude.example.org"
    assert published(caddy) == [
        ("0.0.0.0", "80", 80, "tcp"),
        ("0.0.0.0", "443", 443, "tcp"),
        ("0.0.0.0", "443", 443, "udp"),
    ]


def test_the_gateway_believes_caddys_word_on_https_only_where_caddy_has_a_domain(
    project: Project,
) -> None:
    """Django refuses a login from an https page on a connection that it takes for http."""

    def trusts(dotenv: str) -> str:
        environment = project.configured(dotenv)["proxy"]["environment"]
        return str(environment["TRUST_FORWARDED_PROTO"])

    assert trusts("") == ""
    assert trusts("CADDY_DOMAIN=claude.example.org\n") == "1"
    assert trusts("CADDY_DOMAIN=claude.example.org\nTRUST_FORWARDED_PROTO=0\n") == "0"


@pytest.mark.parametrize("dotenv", ["", "CADDY_DOMAIN=\n"], ids=["unset", "empty"])
def test_caddy_without_a_domain_is_told_to_serve_plain_http(project: Project, dotenv: str) -> None:
    caddy = project.configured(dotenv)["caddy"]
    assert caddy["environment"]["CADDY_DOMAIN"] == ":80"


def test_services_restart_are_checked_every_30_seconds_and_outlast_their_drain(
    project: Project,
) -> None:
    """R23, P20."""
    services = project.configured(REDIS)
    assert services.keys() == {"proxy", "caddy", "redis"}
    assert services["caddy"]["depends_on"]["proxy"]["condition"] == "service_healthy"
    for service in services.values():
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["interval"] == "30s"
        assert seconds(service["stop_grace_period"]) > DRAIN_SECONDS


def test_redis_is_there_only_for_those_who_ask_for_it(project: Project) -> None:
    """Ours: one process needs nothing beside it."""
    services = project.configured()
    assert services.keys() == {"proxy", "caddy"}
    assert not services["proxy"]["environment"].get("REDIS_URL")


def test_redis_is_named_to_the_gateway_and_closed_to_everyone_else(project: Project) -> None:
    services = project.configured(REDIS)
    redis = services["redis"]
    assert urlsplit(services["proxy"]["environment"]["REDIS_URL"]).hostname == "redis"
    assert "ports" not in redis
    assert (redis["read_only"], redis["cap_drop"]) == (True, ["ALL"])


def test_redis_understands_its_options(project: Project, tmp_path: Path) -> None:
    """Started for real, with the options of both files; and it keeps nothing on disk."""
    composed = project.configured(REDIS)["redis"]["command"]
    (pod,) = containers(KUBERNETES_SEVERAL, "claude-bridge-redis")
    assert composed == pod["args"]
    with RedisServer(tmp_path, options=composed[1:]) as server, server.client() as client:
        client.set("name", "value")
        settings: Any = client.config_get("*")
    assert (settings["save"], settings["appendonly"]) == ("", "no")
    assert settings["maxmemory"] == str(128 * 2**20)


def test_the_data_outlives_the_container(project: Project) -> None:
    proxy = project.configured()["proxy"]
    assert proxy["environment"]["DATA_DIR"] == "/data"
    mounts = [(mount["type"], mount["target"]) for mount in proxy["volumes"]]
    assert mounts == [("volume", "/data")]


@pytest.fixture
def health_port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A server that answers /health with the status the test names, and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("health_port", "code"), [(200, 0), (503, 1)], indirect=["health_port"])
def test_the_health_check_follows_the_status_of_health(health_port: int, code: int) -> None:
    """P20."""
    env = {**os.environ, "PORT": str(health_port), "http_proxy": "http://127.0.0.1:9"}
    assert run(health_check(), env=env).returncode == code


def test_the_image_holds_nothing_private() -> None:
    allowed = set(built_from())
    assert not allowed & {".env", ".git", ".venv", "data", "tests"}
    assert {"manage.py", "requirements.lock", "bridge", "dashboard", "proxysite"} <= allowed


def test_the_build_step_works_on_what_the_image_gets_and_without_a_secret(tmp_path: Path) -> None:
    """`collectstatic` runs while the image is built, where no setting and no key exists."""
    context, data = tmp_path / "app", tmp_path / "data"
    context.mkdir()
    for name in built_from():
        source = ROOT / name
        assert source.exists(), f".dockerignore names {name}, which does not exist"
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, context / name)
    result = run(
        [sys.executable, "manage.py", "collectstatic", "--noinput"],
        cwd=context,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(data)},
    )
    assert result.returncode == 0, result.stderr
    assert "static files copied" in result.stdout


def test_the_guide_names_only_variables_that_exist() -> None:
    """Every variable in an example for .env is read by the settings or by the Compose file."""
    examples = re.findall(r"^```sh$(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"^([A-Z_]+)=", "".join(examples), re.MULTILINE))
    settings = (ROOT / "proxysite" / "settings.py").read_text()
    known = set(re.findall(r"\"([A-Z][A-Z0-9_]+)\"", settings))
    known |= set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert named and named - {"COMPOSE_PROFILES"} <= known  # a variable of Compose itself


def manifests(path: Path) -> dict[tuple[str, str], Json]:
    """The objects of a manifest by kind and name."""
    found = yaml.safe_load_all(path.read_text())
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def containers(path: Path, name: str) -> list[Json]:
    """The containers of a pod's template."""
    objects = manifests(path)
    owner = next(objects[kind, name] for kind in WORKLOADS if (kind, name) in objects)
    found: list[Json] = owner["spec"]["template"]["spec"]["containers"]
    return found


def test_several_pods_are_each_like_the_single_one() -> None:
    """Beyond that they know Redis, and cannot do without the secret that they share."""
    (single,) = containers(KUBERNETES, "claude-bridge")
    (several,) = containers(KUBERNETES_SEVERAL, "claude-bridge")
    redis = several["env"].pop()
    assert redis["name"] == "REDIS_URL"
    assert single["envFrom"][0]["secretRef"].pop("optional") is True
    assert several == single


def test_several_pods_reach_redis_and_nobody_else_does() -> None:
    objects = manifests(KUBERNETES_SEVERAL)
    (gateway,) = containers(KUBERNETES_SEVERAL, "claude-bridge")
    address = urlsplit(gateway["env"][-1]["value"])
    service = objects["Service", str(address.hostname)]["spec"]
    assert service["ports"][0]["port"] == address.port
    policy = objects["NetworkPolicy", "claude-bridge-redis"]["spec"]
    assert policy["podSelector"]["matchLabels"] == service["selector"]
    (rule,) = policy["ingress"]
    (source,) = rule["from"]
    pods = objects["StatefulSet", "claude-bridge"]["spec"]["selector"]
    assert source["podSelector"] == pods


def test_several_pods_have_a_volume_each_and_migrate_one_after_the_other() -> None:
    spec = manifests(KUBERNETES_SEVERAL)["StatefulSet", "claude-bridge"]["spec"]
    assert [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]] == ["data"]
    assert spec["podManagementPolicy"] == "OrderedReady"


@pytest.mark.parametrize("path", [KUBERNETES, KUBERNETES_SEVERAL])
def test_pod_goes_on_for_what_the_service_still_sends(path: Path) -> None:
    """Observed: six of six new connections were refused in the moment after SIGTERM."""
    objects = manifests(path)
    kinds = [kind for kind in WORKLOADS if (kind, "claude-bridge") in objects]
    spec = objects[kinds[0], "claude-bridge"]["spec"]["template"]["spec"]
    program, pause = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert (program, int(pause) >= 5) == ("sleep", True)
    assert spec["terminationGracePeriodSeconds"] > int(pause) + DRAIN_SECONDS + CLOSING


def test_pod_and_image_agree_on_user_port_and_volume() -> None:
    """The pod sets the user itself, so it must be the one that owns /data in the image."""
    image, pod = DOCKERFILE.read_text(), KUBERNETES.read_text()
    assert "\nUSER 10001:10001\n" in image
    assert {"runAsUser: 10001", "runAsGroup: 10001", "fsGroup: 10001"} <= set(
        map(str.strip, pod.splitlines())
    )
    assert "\nEXPOSE 8080\n" in image and "containerPort: 8080" in pod
    assert "\nVOLUME /data\n" in image and "mountPath: /data" in pod
    assert '\nCMD ["python", "manage.py", "serve"]\n' in image
