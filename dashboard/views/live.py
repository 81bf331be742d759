"""What is going on right now. The page is empty; its socket fills it (`consumers`)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page


@require_safe
@for_readers
def live(request: HttpRequest) -> HttpResponse:
    return page(request, "live", Frame(request, comparing=False))
