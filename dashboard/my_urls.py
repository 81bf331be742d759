"""The addresses of the pages for people and holders of keys, below /my/."""

from __future__ import annotations

from django.urls import path

from dashboard.views.my import entry, own_keys, own_requests, own_sessions, sign_ins

urlpatterns = [
    path("", entry.my, name="my"),
    path("key/", entry.key, name="my_key"),
    path("leave/", entry.leave, name="my_leave"),
    path("requests/", own_requests.every, name="my_requests"),
    path("requests/<str:request_id>/", own_requests.one, name="my_request"),
    path("sessions/", own_sessions.every, name="my_sessions"),
    path("sessions/<int:pk>/", own_sessions.one, name="my_session"),
    path("keys/<int:pk>/rotate/", own_keys.rotate, name="my_rotate"),
    path("sign-ins/<int:pk>/end/", sign_ins.end, name="my_sign_in_end"),
]
