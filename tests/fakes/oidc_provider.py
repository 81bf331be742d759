"""A provider of OpenID Connect on a real socket, with real keys, that lies where it is told to.

What it does by itself is right: discovery, keys, the code flow with PKCE, user's details. A test
changes one of its fields to make it lie.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT_ID, CLIENT_SECRET = "gateway", "a-secret-of-the-client"
ANN: dict[str, Any] = {"sub": "0001-ann", "preferred_username": "ann", "email": "ann@example.com"}
KID = "key-1"


def a_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(slots=True)
class Script:
    """What the provider says and does. None in a mapping leaves a member out.

    `drops`: the path at which it hangs up without an answer.
    """

    person: dict[str, Any] = field(default_factory=lambda: dict(ANN))
    document: dict[str, Any] = field(default_factory=dict)
    token: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "RS256"
    details: dict[str, Any] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    denies: str = ""
    from_issuer: str = ""
    signs_with_another_key: bool = False
    drops: str = ""


@dataclass(slots=True)
class _Code:
    """What a code stands for."""

    redirect_uri: str
    challenge: str
    nonce: str
    person: dict[str, Any]


class OidcProvider:
    """Runs while it is entered. `seen` has the path of each request."""

    def __init__(self) -> None:
        self.script = Script()
        self.key, self.other_key = a_key(), a_key()
        self.kid = KID
        self.seen: list[str] = []
        self.codes: dict[str, _Code] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        owner = self

        class Handler(_Handler):
            provider = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        self.script = Script()

    def changed(self, **fields: Any) -> None:
        """From now on these fields of the script are so."""
        self.script = replace(self.script, **fields)

    # --- what it answers ---

    def document(self) -> dict[str, Any]:
        address = self.issuer
        return _without_none(
            {
                "issuer": address,
                "authorization_endpoint": f"{address}/authorize",
                "token_endpoint": f"{address}/token",
                "userinfo_endpoint": f"{address}/userinfo",
                "jwks_uri": f"{address}/keys",
                "end_session_endpoint": f"{address}/logout",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
            | self.script.document
        )

    def keys(self) -> dict[str, Any]:
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [public | {"kid": self.kid, "use": "sig", "alg": "RS256"}]}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent: back with a code, as if the person had agreed."""
        answer = {"state": query.get("state", "")}
        if self.script.denies:
            answer["error"] = self.script.denies
        else:
            answer["code"] = f"code-{len(self.codes)}"
            self.codes[answer["code"]] = _Code(
                query["redirect_uri"],
                query.get("code_challenge", ""),
                query.get("nonce", ""),
                dict(self.script.person),
            )
        if self.script.from_issuer:
            answer["iss"] = self.script.from_issuer
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if not _is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        code = self.codes.pop(form.get("code", ""), None)
        if code is None or code.redirect_uri != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        if _challenge(form.get("code_verifier", "")) != code.challenge:
            return 400, {"error": "invalid_grant", "error_description": "PKCE"}
        access = f"access-{len(self.tokens)}"
        self.tokens[access] = code.person
        return 200, {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.id_token(code),
        }

    def id_token(self, code: _Code) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": code.nonce,
        }
        claims = _without_none(claims | code.person | self.script.token)
        key: Any = self.other_key if self.script.signs_with_another_key else self.key
        if self.script.algorithm == "none":
            key = None
        elif self.script.algorithm.startswith("HS"):
            key = CLIENT_SECRET.ljust(64)
        header = {"kid": self.kid} | self.script.header
        return jwt.encode(claims, key, self.script.algorithm, headers=_without_none(header))

    def details(self, authorization: str) -> tuple[int, dict[str, Any]]:
        person = self.tokens.get(authorization.removeprefix("Bearer "))
        if person is None:
            return 401, {"error": "invalid_token"}
        return 200, _without_none({"sub": person["sub"]} | self.script.details)


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _is_client(form: dict[str, str], authorization: str) -> bool:
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    posted = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
    return posted or authorization == f"Basic {basic}"


class _Handler(BaseHTTPRequestHandler):
    provider: OidcProvider

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        self.provider.seen.append(place.path)
        query = {name: values[0] for name, values in parse_qs(place.query).items()}
        if self._is_scripted(place.path):
            return
        if place.path == "/authorize":
            self._send(302, b"", location=self.provider.authorize(query))
        elif place.path == "/userinfo":
            self._json(*self.provider.details(self.headers.get("Authorization", "")))
        elif place.path == "/keys":
            self._json(200, self.provider.keys())
        elif place.path == "/.well-known/openid-configuration":
            self._json(200, self.provider.document())
        else:
            self._json(200 if place.path == "/logout" else 404, query)

    def do_POST(self) -> None:
        self.provider.seen.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        if not self._is_scripted(self.path):
            given = self.headers.get("Authorization", "")
            self._json(*self.provider.exchange(dict(parse_qsl(body)), given))

    def _is_scripted(self, path: str) -> bool:
        script = self.provider.script
        if path == script.drops:
            self.close_connection = True
            return True
        if path not in script.statuses and path not in script.bodies:
            return False
        location = f"{self.provider.issuer}/elsewhere"
        self._send(script.statuses.get(path, 200), script.bodies.get(path, b"{}"), location)
        return True

    def _json(self, status: int, members: dict[str, Any]) -> None:
        self._send(status, json.dumps(members).encode())

    def _send(self, status: int, body: bytes, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a test looks at `seen`."""
