"""The visit of a key holder to /my/: an hour, known by a signed cookie of that path alone.

It has nothing to do with the login of users, and opens nothing but /my/. The key is not in it.
"""

from __future__ import annotations

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from bridge.accounts import key_holders
from bridge.accounts.key_holders import KeyHolder

COOKIE = "key_holder"
PATH = f"{settings.BASE_PATH}/my/"
SECONDS = 3600
SALT = "dashboard.pages.key_holder_session"


def begin(response: HttpResponse, holder: KeyHolder) -> None:
    session = [holder.key_id, holder.fingerprint, holder.mark]
    response.set_cookie(
        COOKIE,
        signing.dumps(session, salt=SALT),
        max_age=SECONDS,
        path=PATH,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Lax",
    )


def visitor(request: HttpRequest) -> KeyHolder | None:
    """Who visits; None when nobody does, the hour is over, or the key is not good any more."""
    try:
        session = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=SECONDS)
        key_id, fingerprint, mark = session
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return key_holders.revalidate(int(key_id), str(fingerprint), str(mark))


def end(response: HttpResponseBase) -> None:
    response.delete_cookie(COOKIE, path=PATH, samesite="Lax")
