"""A start is not slowed down by the garbage collector, which works as ever afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from proxysite.importing import lasting
from tests.fakes.gateway import ROOT
from tests.proxysite.interpreter import printed

UNUSED = ("psycopg", "redis", "opentelemetry", "allauth", "jwt", "rich", "numpy", "pypdf")
LOADED = "import sys, proxysite.asgi; print(*sys.modules)"
STATE = "import gc, proxysite.asgi; print(gc.isenabled(), gc.get_freeze_count() > 50_000)"


def test_collector_rests_meanwhile_and_works_afterwards() -> None:
    with lasting():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_collector_works_after_a_start_that_fails_too() -> None:
    with pytest.raises(ValueError, match="settings"), lasting():
        raise ValueError("settings")
    assert gc.isenabled()


def test_application_leaves_the_collector_on_and_its_imports_out() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STATE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True"]


def test_server_with_a_sqlite_file_leaves_out_what_it_never_uses(tmp_path: Path) -> None:
    """Each of these takes megabytes and a part of every start."""
    text = printed(LOADED, tmp_path, {"DATABASE_URL": "sqlite:///:memory:"})
    loaded = {name.partition(".")[0] for name in text.split()}
    assert "bridge" in loaded
    assert loaded & set(UNUSED) == set()
