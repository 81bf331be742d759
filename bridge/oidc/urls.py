"""The addresses that company accounts add. None of allauth's own is among them."""

from __future__ import annotations

from django.urls import path

from bridge.oidc import views

urlpatterns = [
    path("sign-in/", views.begin, name="oidc_begin"),
    path("sign-in/callback/", views.callback, name="oidc_callback"),
    path("sign-in/leave/", views.leave, name="oidc_leave"),
    # before the admin's own
    path("admin/logout/", views.log_out),
]
