"""Settings executed anew, in this process, with an environment of the test's own."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proxysite import environment
from tests.proxysite.loading import Load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Execute settings.py with nothing in the environment but these variables."""

    def settings(**variables: str) -> dict[str, Any]:
        places = {"DATA_DIR": str(tmp_path / "data"), "STATIC_ROOT": str(tmp_path / "static")}
        exact: Mapping[str, str] = places | variables
        monkeypatch.setattr(environment.env, "ENVIRON", dict(exact))
        monkeypatch.setattr(environment.env, "read_env", lambda _: None)
        return runpy.run_path(str(ROOT / "proxysite" / "settings.py"))

    return settings
