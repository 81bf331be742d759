"""A price may be for one backend: in the file, in the snapshot, in the history."""

import pytest

from bridge.configuration import snapshot, yaml_file
from bridge.configuration.undo import revert
from bridge.models import Change, Price
from tests.bridge.config import problems, put
from tests.bridge.rows import a_row

pytestmark = pytest.mark.django_db

TEXT = """
prices:
- {model: m1, input_per_mtok: 3, output_per_mtok: 3}
- {model: m1, backend: free, input_per_mtok: 0, output_per_mtok: 0}
"""


def input_price(backend: str) -> int | None:
    rates = snapshot.build(1).prices.rates(backend, "m1")
    return rates.input if rates else None


def test_one_model_has_a_price_at_each_backend() -> None:
    """Reported by operators."""
    a_row("paid")
    free = a_row("free")
    assert put(TEXT) == ["added prices m1", "added prices m1 free"]
    assert (input_price("paid"), input_price("free")) == (3_000_000, 0)
    assert put(TEXT) == []
    assert put(yaml_file.export(), prune=True) == []
    free.name = "gratis"
    free.save()
    assert (input_price("paid"), input_price("gratis")) == (3_000_000, 0)
    free.delete()
    assert [str(row) for row in Price.objects.all()] == ["m1"]


def test_price_of_a_backend_can_be_taken_back() -> None:
    a_row("free")
    put(TEXT)
    Price.objects.exclude(backend=None).delete()
    change = Change.objects.order_by("-pk").first()
    assert change is not None
    revert(change)
    assert input_price("free") == 0


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (
            "{model: m, backend: gone, input_per_mtok: 1, output_per_mtok: 1}",
            "no backend is called",
        ),
        ("{model: m, backend: 5, input_per_mtok: 1, output_per_mtok: 1}", "expected a text"),
        ("{backend: free, input_per_mtok: 1, output_per_mtok: 1}", "prices[0].model"),
    ],
)
def test_price_that_makes_no_sense_is_refused(entry: str, told: str) -> None:
    a_row("free")
    (problem,) = problems(f"prices: [{entry}]")
    assert told in problem


def test_price_for_one_backend_is_one_price() -> None:
    a_row("free")
    twice = "{model: m, backend: free, input_per_mtok: 1, output_per_mtok: 1}"
    assert problems(f"prices: [{twice}, {twice}]") == ["prices[1]: the same as prices[0]"]
