"""The addresses of a sign-in."""

from __future__ import annotations

from django.urls import path

from bridge.pages.sign_in import clients, device

urlpatterns = [
    path(".well-known/oauth-authorization-server", clients.metadata, name="sign_in_metadata"),
    path("oauth/device_authorization", clients.device_authorization, name="sign_in_begin"),
    path("oauth/token", clients.token, name="sign_in_token"),
    path("oauth/revoke", clients.revoke, name="sign_in_revoke"),
    path("device/", device.device, name="device"),
    path("device/leave/", device.leave, name="device_leave"),
]
