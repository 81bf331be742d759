"""The pages of the control plane. The data plane's paths are in asgi.py."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path

from bridge.admin_api.views import unknown
from bridge.pages.sign_in.login import log_out, login
from bridge.pages.welcome import welcome

urlpatterns = [
    *([path("", include("bridge.oidc.urls"))] if settings.OIDC_ISSUER else ()),
    path("", welcome, name="welcome"),
    path("admin/", include(([path("login/", login), path("logout/", log_out)], "admin"), "doors")),
    path("admin/", admin.site.urls),
    path("api/admin/v1/", include("bridge.admin_api.urls")),
    re_path(r"^api/admin(?:/|$)", unknown),
    path("dashboard/", include("dashboard.urls")),
    path("", include("bridge.pages.sign_in.urls")),
    path("my/", include("dashboard.my_urls")),
]
handler400 = "bridge.pages.refusals.bad_request"
handler403 = "bridge.pages.refusals.forbidden"
handler404 = "bridge.pages.refusals.not_found"
handler500 = "bridge.pages.refusals.failed"
