"""The files of the pages: styles, scripts, pictures."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Lists the files when the first of them is asked for.

    Listing is a quarter of what a start costs, and many processes never show a page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._lock = Lock()
        self._unlisted: list[Callable[[], None]] = []
        super().__init__(get_response)

    def __call__(self, request: HttpRequest) -> Any:
        if self._unlisted and request.path_info.startswith(self.static_prefix):
            self._list()
        return super().__call__(request)

    def add_files(self, root: str, prefix: str | None = None) -> None:
        self._unlisted.append(lambda: super(StaticFiles, self).add_files(root, prefix))

    def add_files_from_finders(self) -> None:
        self._unlisted.append(super().add_files_from_finders)

    def _list(self) -> None:
        """Threads that come meanwhile wait, and find all files."""
        with self._lock:
            for add in self._unlisted:
                add()
            self._unlisted = []
