"""The addresses of the reports, below /dashboard/."""

from __future__ import annotations

from django.urls import path

from dashboard.views import (
    backends,
    cache,
    keys,
    live,
    models,
    one_key,
    one_model,
    one_request,
    one_session,
    overview,
    requests,
    sessions,
)
from dashboard.views.finding import errors, find, sampled, saved_views
from dashboard.views.judging import auto_mode
from dashboard.views.people import accounts

app_name = "dashboard"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("keys/", keys.every, name="keys"),
    path("keys/<slug:slug>/", one_key.one, name="key"),
    path("keys/<slug:slug>/name/", one_key.name, name="key_name"),
    path("people/", accounts.people, name="people"),
    path("teams/", accounts.teams, name="teams"),
    path("cache/", cache.cache, name="cache"),
    path("auto-mode/", auto_mode.auto_mode, name="auto_mode"),
    path("models/", models.every, name="models"),
    path("models/<path:name>/", one_model.one, name="model"),
    path("sessions/", sessions.every, name="sessions"),
    path("sessions/<int:pk>/", one_session.one, name="session"),
    path("requests/", requests.every, name="requests"),
    path("requests/<str:request_id>/", one_request.one, name="request"),
    path("errors/", errors.errors, name="errors"),
    path("errors/samples/", sampled.sampled, name="sampled"),
    path("find/", find.find, name="find"),
    path("saved-views/", saved_views.keep, name="saved_views"),
    path("saved-views/<int:pk>/delete/", saved_views.delete, name="saved_view_delete"),
    path("live/", live.live, name="live"),
    path("backends/", backends.every, name="backends"),
]
