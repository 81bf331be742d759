"""Paths behind a base address that is not quite the right one."""

import pytest

from bridge.api.base_paths import canonical


@pytest.mark.parametrize("base", ["", "/v1", "/v1/", "/anthropic", "/anthropic/v1", "/v1/messages"])
@pytest.mark.parametrize(
    "path",
    ["/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/v1/models/a/b", "/api/hello"]
    + ["/api/oauth/usage", "/managed/settings"],
)
@pytest.mark.parametrize("end", ["", "/"])
def test_path_of_the_api_is_found_behind_a_base(base: str, path: str, end: str) -> None:
    """As clients put it together. H10."""
    assert canonical(base + path + end) == path


@pytest.mark.parametrize(
    "path",
    ["/", "/v1/", "/v1", "/v1/messages/batches", "/admin/", "/v1/models/v1/messages"]
    + ["/anthropic", "/v1x/v1/messages", "/dashboard/v1/messages", "/v1/models/a//b"],
)
def test_other_paths_stay_as_they_are(path: str) -> None:
    assert canonical(path) == path


def test_endless_row_of_bases_is_no_work() -> None:
    path = "/v1" * 1000 + "/v1/messages"
    assert canonical(path) == path.removeprefix("/v1" * 4)
