"""Text from outside, made fit for a page, a log line or another client's eyes.

Taken out: credentials of any known shape, the secrets and addresses that the caller names, paths
of local files and, from error messages, stack traces (some servers put those into them).

CREDENTIALS is the one table of shapes. It is for decoded text: the values of JSON strings, not
JSON source, where a line break is the two characters ``\\n`` and hides the start of what follows.
Text that quotes JSON source holds such escapes all the same, so a shape may begin behind one.

Every pattern begins at a literal or at a boundary and consumes what it has read, or reads a
bounded number of characters: the work grows with the text, whatever the text is.
"""

from __future__ import annotations

import re

REDACTED = "[redacted]"
PATH = "[path]"

_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf]))"
"""Where a word may begin: not inside another, but behind an escape of quoted JSON source."""
_REST = r"[A-Za-z0-9_.-]{6,}[A-Za-z0-9]"
_PREFIXES = (
    "gw[kar]_|gw[-_]"  # keys and tokens of this gateway
    "|sk[-_]|sess-|cpk_|hf_|gsk_|xai-|nvapi-|csk-|pplx-|r8_|fw_|tgp_|ya29[.]"  # model vendors
    "|gh[opusr]_|github_pat_|gl[a-z]{2,5}-|npm_|pypi-|dop_v1_|shp[a-z]{2}_"  # code and hosting
    "|xox[a-z]-|xapp-|SG[.]|rk_|pk_(?:live|test)_|whsec_"  # chat, mail, payment
)
_LONG_NAMES = (
    r"(?:pass(?:word|wd|phrase)|pwd|api[-_ ]?key|(?:client|app|shared)[-_]?secret"
    r"|secret[-_]?(?:access[-_]?)?key|private[-_]?key|(?:access|auth|refresh|id|session)[-_]?token"
    r"|connection[-_]?string)"
)
_SHORT_NAMES = r"(?:token|secret|sig|signature|credential|x-amz-(?:signature|credential))"
_HEADER = r"(?:proxy-)?authorization|x-(?:api|goog-api|gateway)-key|api-key|(?:set-)?cookie"
_SCHEME = r"(?:bearer|basic|token|digest|negotiate)"
_VALUE = r"""(?:"[^"\n]++"?|'[^'\n]++'?|\\"[^"\\\n]++(?:\\")?|[^\s"'\\&,;<>(){}\[\]]++)"""

CREDENTIALS: tuple[tuple[str, str, str], ...] = (
    (
        "a private key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[A-Za-z0-9+/=,:.()\s\\]|-(?!----))*+(?:-----END [A-Z0-9 ]{0,50}-----)?",
        REDACTED,
    ),
    (
        "credentials in an address",
        r"://[^\s/?#\"'<>@\\]*+@(?:[^\s/?#\"'<>@\\]*+@)*+",
        f"://{REDACTED}@",
    ),
    (
        "a header with a credential",
        rf"(?i){_START}({_HEADER})(\\?[\"']?[ \t]{{0,3}}[:=][ \t]{{0,3}}\\?[\"']?)"
        rf"({_SCHEME}[ \t]{{1,3}})?(?!\[redacted\])[^\s\"'\\,;]{{4,}}+(?:;[ \t]?[^\s\"'\\,]++)*+",
        rf"\1\2\3{REDACTED}",
    ),
    (
        "a bearer or basic credential",
        rf"(?i){_START}(bearer|basic)[ \t]{{1,5}}[a-z0-9._~+/=-]{{4,}}+",
        rf"\1 {REDACTED}",
    ),
    ("a JSON web token", rf"{_START}eyJ[\w-]{{8,1000}}+(?:[.][\w-]*+){{2,4}}+", REDACTED),
    ("a key with a known prefix", rf"{_START}(?:{_PREFIXES}){_REST}", REDACTED),
    (
        "a key with a common prefix",
        rf"{_START}(?:key|pk|token)[-_](?=[A-Za-z_.-]{{0,60}}[0-9]){_REST}",
        REDACTED,
    ),
    ("a Google API key", rf"{_START}AIza[\w-]{{30,}}+", REDACTED),
    ("an AWS access key", rf"{_START}(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{16}}(?![A-Z0-9])", REDACTED),
    (
        "a value by the name of a secret",
        rf"(?i)({_LONG_NAMES}\\?[\"']?[ \t]{{0,3}}(?:=|:(?!:))[ \t]{{0,3}}){_VALUE}",
        rf"\1{REDACTED}",
    ),
    (
        "a value assigned to a short name of a secret",
        rf"(?i)(?<![a-z0-9])({_SHORT_NAMES}[ \t]{{0,3}}=(?!=)[ \t]{{0,3}}){_VALUE}",
        rf"\1{REDACTED}",
    ),
)
"""What it is, its shape, and what is shown in its place. Order matters: the larger shape first."""

_PATHS: tuple[tuple[str, str], ...] = (
    (r"\bfile://[^\s'\"<>]++", f"file://{PATH}"),
    (r"(?:(?<![\w:/.])|(?<=\\[nrtbf]))(?:/[\w.@+-]++){2,}+/?", PATH),
    (r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf]))[A-Za-z]:\\[\w.@+\\-]++", PATH),
)
_STACK_TRACES: tuple[tuple[str, str], ...] = (
    (r"\s{0,8}File \"[^\"\n]*+\", line \d++(?:, in \S++)?", ""),
    (r"Traceback \(most recent call last\).*+", ""),
)

_CLEAN: set[str] = set()
"""Names that hold no credential. Every request repeats those of its client, model and route, and
looking for all shapes costs more than translating a small request."""
MOST_CLEAN = 4096
LONGEST_CLEAN = 200


def _compiled(*rows: tuple[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(shape, re.S), replacement) for shape, replacement in rows)


_OF_CREDENTIALS = _compiled(*((shape, replacement) for _, shape, replacement in CREDENTIALS))
_OF_PATHS = _compiled(*_PATHS)
_OF_ERRORS = (*_OF_CREDENTIALS, *_compiled(*_STACK_TRACES), *_OF_PATHS)
_SECRET_MEMBER = re.compile(
    rf"(?i)(?:[\w-]{{0,40}}[_-])?(?:{_LONG_NAMES}|token|secret|{_HEADER})(?:[_-]\w{{0,40}})?"
)


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """An error message without credentials, `secrets`, file paths or stack traces."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, REDACTED)
    return _replaced(text, _OF_ERRORS)


def redact_text(text: str) -> str:
    """What somebody wrote, without credentials and file paths."""
    return _replaced(text, (*_OF_CREDENTIALS, *_OF_PATHS))


def redact_credentials(text: str) -> str:
    """A name that somebody chose, without credentials: some put their key where a name belongs."""
    if text in _CLEAN:
        return text
    shown = _replaced(text, _OF_CREDENTIALS)
    if shown == text and len(text) <= LONGEST_CLEAN:
        if len(_CLEAN) >= MOST_CLEAN:
            _CLEAN.clear()
        _CLEAN.add(text)
    return shown


def is_secret(member: str) -> bool:
    """Whether a member of this name holds a secret, wherever it stands."""
    return len(member) <= 120 and _SECRET_MEMBER.fullmatch(member) is not None


def _replaced(text: str, rows: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, replacement in rows:
        text = pattern.sub(replacement, text)
    return text
