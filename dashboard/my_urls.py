"""The addresses of key holders, below /my/."""

from __future__ import annotations

from django.urls import path

from dashboard.views import my

urlpatterns = [
    path("", my.my, name="my"),
    path("leave/", my.leave, name="my_leave"),
]
