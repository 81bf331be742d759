"""The pages of the control plane. The data plane's paths are in asgi.py."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
]
