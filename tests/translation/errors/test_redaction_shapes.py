"""Every shape of the table of credentials, with what must stay beside it."""

from __future__ import annotations

import time

import pytest

from bridge.translation.errors.redaction import CREDENTIALS, redact

TAIL = "aB3dE6gH9" * 4
PEM = f"-----BEGIN RSA PRIVATE KEY-----\nMIIE{TAIL}\n{TAIL}==\n-----END RSA PRIVATE KEY-----"
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0{TAIL}.{TAIL}"
HIDDEN: list[tuple[str, str, str]] = [
    ("a key of this gateway", f"gwk_{TAIL}", ""),
    ("a token of the admin API", f"gwa_{TAIL}", ""),
    ("a refresh token", f"gwr_AbCdEf0123456789-_AbCdEf.{TAIL}", ""),
    ("OpenAI", f"sk-proj-{TAIL}", ""),
    ("Anthropic", f"sk-ant-api03-{TAIL}-AA", ""),
    ("OpenRouter", f"sk-or-v1-{TAIL}", ""),
    ("Chutes", f"cpk_{TAIL}.{TAIL}", ""),
    ("Hugging Face", f"hf_{TAIL}", ""),
    ("Groq", f"gsk_{TAIL}", ""),
    ("xAI", f"xai-{TAIL}", ""),
    ("NVIDIA", f"nvapi-{TAIL}", ""),
    ("Google", "AIzaSy" + TAIL[:33], ""),
    ("GitHub", f"ghp_{TAIL}", ""),
    ("GitHub, fine grained", f"github_pat_{TAIL}", ""),
    ("GitLab", f"glpat-{TAIL}", ""),
    ("AWS", "AKIAIOSFODNN7EXAMPLE", ""),
    ("Slack", f"xoxb-123456789012-{TAIL}", ""),
    ("a JSON web token", JWT, ""),
    ("a private key", PEM, ""),
    ("a private key that is cut off", PEM[:80], ""),
    ("a password", "password=hunter2", "password="),
    ("a password in quotes", 'password = "two words"', "password = "),
    ("a member of JSON", '"client_secret": "abc/def+1"', '"client_secret": '),
    ("an environment variable", "OPENAI_API_KEY=abcdef", "OPENAI_API_KEY="),
    ("an AWS secret", f"aws_secret_access_key = {TAIL}/x", "aws_secret_access_key = "),
    ("a token in a query", "https://h.example/?token=abc123", "https://h.example/?token="),
    ("a bearer header", f"Authorization: Bearer {TAIL}", "Authorization: Bearer "),
    ("a header in JSON", f'"authorization": "Bearer {TAIL}"', '"authorization": "Bearer '),
    ("a bare header", f"x-api-key: {TAIL}", "x-api-key: "),
    ("a cookie", f"Cookie: sessionid={TAIL}; csrftoken={TAIL}", "Cookie: "),
    ("an address", "postgres://app:p%40ss@db/x", "postgres://"),
    ("an address with an @ in its password", "redis://:p@ss@cache/0", "redis://"),
    ("an address with a token", f"https://{TAIL}@host/x", "https://"),
]
STAYS = [
    "max_tokens: 4096 is too large",
    "unexpected token: }",
    "Backend rejected the credentials",
    "task-list-item and risk_of_rain_2 and disk-usage-report",
    "the key-value-store and the pk_of_the_row",
    "see https://docs.example/a/b?page=2 or mail a@b.example",
    "model zai-org/GLM-4.5-Air at 10:30:00",
    "a==b and token == end",
]


@pytest.mark.parametrize(("text", "left"), [r[1:] for r in HIDDEN], ids=[r[0] for r in HIDDEN])
def test_credential_of_each_shape_is_taken_out(text: str, left: str) -> None:
    """Ours: alone, in a sentence, and in quoted JSON source."""
    for before, after in (("", ""), ("got ", " here"), ("a\n", "\nb"), ("a\\n", "\\nb")):
        shown = redact(f"{before}{text}{after}")
        assert shown.startswith(before + left + "[redacted]"), shown
        assert TAIL not in shown and "hunter2" not in shown and "ss@" not in shown


@pytest.mark.parametrize("text", STAYS)
def test_text_that_only_resembles_a_credential_stays(text: str) -> None:
    """Ours: an error message must still say what is wrong."""
    assert redact(text) == text


UNITS = [" ", "\n", "\\n", "/a", "://a", "://a@", "bearer ", "sk-", "eyJaaaaaaaa.", 'password="']
TRIES = 3
UNITS += ["-----BEGIN PRIVATE KEY-----", 'File "', "cookie: aaaa; ", "api key ", "a:\\", "key_a."]


@pytest.mark.parametrize("unit", UNITS)
def test_work_grows_with_the_text_and_not_with_its_square(unit: str) -> None:
    """Ours: attack, samples. Eight times the text may take at most sixteen times the work."""

    def cost(size: int) -> float:
        text = unit * (size // len(unit))
        began = time.process_time()
        redact(text)
        return time.process_time() - began

    cost(1000)
    assert any(cost(80_000) < 16 * max(cost(10_000), 0.002) for _ in range(TRIES))


def test_every_row_of_the_table_says_what_it_is() -> None:
    """Ours: docs/security.md names them."""
    names = [name for name, _, _ in CREDENTIALS]
    assert all(names) and len(set(names)) == len(names)
