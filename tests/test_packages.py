"""What is installed: the same packages everywhere, with hashes, and all that the tests need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,]+\])?==([\w.]+)", re.M)
PROGRAMS = (
    "caddy",
    "chromium-headless-shell",
    "curl",
    "nginx",
    "node",
    "postgresql",
    "redis-sentinel",
    "redis-server",
)
"""Without one of these a test is skipped."""


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pinned(name: str) -> dict[str, str]:
    """Package -> version; names as the package index compares them."""
    found = PINNED.findall(text(name))
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


def test_the_lock_file_holds_the_pinned_packages() -> None:
    """After a change of requirements.txt: make lock."""
    assert pinned("requirements.lock") == pinned("requirements.txt")


def test_every_locked_package_has_hashes() -> None:
    entries = re.split(r"\n(?=\S)", text("requirements.lock").strip())
    assert len(entries) == len(pinned("requirements.lock"))
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("name", ["Dockerfile", "Makefile"])
def test_installations_check_the_hashes(name: str) -> None:
    assert "--require-hashes -r requirements.lock" in re.sub(r"\\\n\s*", "", text(name))
    assert "install -r requirements.txt" not in text(name)


@pytest.mark.parametrize("program", PROGRAMS)
def test_ci_installs_what_tests_need(program: str) -> None:
    script = text(".ci/run")
    assert re.search(rf"[ (]{program}[:)]", script), program
