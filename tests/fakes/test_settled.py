"""A program of the project is forked with the project imported, and has its own settings."""

import os
from pathlib import Path

import pytest

from tests.fakes import forked
from tests.fakes.forked import DATABASES

SECONDS = 60.0
COMPANY = {
    "OIDC_ISSUER": "https://id.company.test",
    "OIDC_CLIENT_ID": "a",
    "OIDC_CLIENT_SECRET": "b",
}
SHOWN = """
import os, sys
from django.conf import settings
from django.db import connection
print(
    "tests.fakes.forking" in sys.modules,
    settings.PORT,
    settings.AXES_FAILURE_LIMIT,
    settings.OIDC_ISSUER,
    connection.vendor,
    connection.settings_dict["NAME"],
    sep="|",
)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "PORT": "7001"}


def show(environment: dict[str, str]) -> list[str]:
    command = ["manage.py", "shell", "--no-imports", "-c", SHOWN]
    done = forked.run(command, environment, "", SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("|")


def test_settings_are_those_of_the_programs_own_environment(environment: dict[str, str]) -> None:
    database = f"{environment['DATA_DIR']}/gateway.sqlite3"
    assert show(environment) == ["True", "7001", "5", "", "sqlite", database]
    assert show(environment | {"PORT": "7002"}) == ["True", "7002", "5", "", "sqlite", database]


def test_company_accounts_and_postgres_are_forked_too(environment: dict[str, str]) -> None:
    """None connects: the settings alone decide."""
    issuer = COMPANY["OIDC_ISSUER"]
    company = show(environment | COMPANY)
    assert company[:5] == ["True", "7001", "5", issuer, "sqlite"]
    database = DATABASES["postgres"].replace("/none", "/own")
    postgres = show(environment | {"DATABASE_URL": database})
    assert postgres == ["True", "7001", "5", "", "postgresql", "own"]


def test_setting_that_an_import_has_read_starts_another_interpreter(
    environment: dict[str, str],
) -> None:
    """Models ask for the longest name that the database takes."""
    other = environment | {"DATABASE_URL": "postgresql://127.0.0.1/own"}
    assert show(other)[:5] == ["False", "7001", "5", "", "postgresql"]
    assert show(environment | {"LOGIN_FAILURES": "7"})[:3] == ["True", "7001", "7"]


def test_wrong_setting_is_reported_by_the_program_itself(environment: dict[str, str]) -> None:
    done = forked.run(["manage.py", "check"], environment | {"PORT": "no"}, "", SECONDS)
    assert done.returncode == 1
    assert done.stderr.startswith("Configuration error. PORT: expected ")
