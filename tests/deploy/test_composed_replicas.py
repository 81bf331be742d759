"""Three replicas with Compose, and the two stages of their image."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.deploy.test_containers import (
    DOCKERFILE,
    DRAIN_SECONDS,
    GUIDE,
    ROOT,
    Project,
    seconds,
    tool,
)

SCALE = """
COMPOSE_PROFILES=scale
POSTGRES_PASSWORD=choose-one
DATABASE_URL='postgres://gateway:choose-one@postgres:5432/gateway'
REDIS_URL=redis://redis:6379
CADDY_FILE=Caddyfile.several
CADDY_UPSTREAM='proxy:8080 proxy2:8080 proxy3:8080'
DRAIN_DELAY_SECONDS=3
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, tool("docker-compose", "version"))


def test_guide_shows_what_the_profile_needs() -> None:
    assert SCALE.strip() in GUIDE.read_text()


def test_replicas_are_alike_share_their_volume_and_are_all_behind_caddy(project: Project) -> None:
    services = project.configured(SCALE)
    assert services.keys() == {"proxy", "proxy2", "proxy3", "caddy", "redis", "postgres"}
    first = {name: value for name, value in services["proxy"].items() if name != "ports"}
    for name in ("proxy2", "proxy3"):
        each = {key: value for key, value in services[name].items() if key != "profiles"}
        assert each == first
    upstream = services["caddy"]["environment"]["CADDY_UPSTREAM"]
    assert upstream.split() == ["proxy:8080", "proxy2:8080", "proxy3:8080"]
    sources = [mount["source"] for mount in services["caddy"]["volumes"]]
    assert any(source.endswith("/deploy/Caddyfile.several") for source in sources)


def test_database_is_closed_to_everyone_else(project: Project) -> None:
    services = project.configured(SCALE)
    database = services["postgres"]
    address = urlsplit(services["proxy"]["environment"]["DATABASE_URL"])
    assert (address.hostname, address.username, address.password) == (
        "postgres",
        database["environment"]["POSTGRES_USER"],
        database["environment"]["POSTGRES_PASSWORD"],
    )
    assert "ports" not in database
    assert (database["read_only"], database["cap_drop"]) == (True, ["ALL"])
    assert seconds(database["stop_grace_period"]) > DRAIN_SECONDS


def test_root_of_each_gateway_is_read_only(project: Project) -> None:
    for service in project.configured(SCALE).values():
        if service["image"] == "claude-bridge:local":
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_image_leaves_behind_what_it_was_built_with() -> None:
    """Two stages; nothing is installed in the second, which says what it is and how to end it."""
    build, image = DOCKERFILE.read_text().split("\nFROM ")[-2:]
    assert "pip install" in build and "pip install" not in image
    assert "\nSTOPSIGNAL SIGTERM\n" in image
    version = re.search(r'image.version="(.+)"', image)
    project_file = (ROOT / "pyproject.toml").read_text()
    assert version and f'\nversion = "{version.group(1)}"\n' in project_file
