"""What the tests of the settings share."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

Load = Callable[..., dict[str, Any]]


def complaint(load: Load, **variables: str) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        load(**variables)
    return str(caught.value)
