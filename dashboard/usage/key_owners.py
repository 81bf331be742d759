"""Whose requests they are: issued keys, forwarded keys, deleted keys, nobody. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

ISSUED, SIGN_IN, FORWARDED = "issued", "sign-in", "forwarded"
DELETED, NOBODY = "deleted", "no key"
MEANINGS = {
    ISSUED: "A key that this gateway issued",
    SIGN_IN: "The key of a client in which somebody signed in",
    FORWARDED: "A backend's own key that its client sends, known by its fingerprint only",
    DELETED: "A key that this gateway issued and that is deleted since",
    NOBODY: "Requests without a valid key; they were refused",
}
UNNAMED = "no valid key"
_SLUG = re.compile(r"(?P<id>[1-9][0-9]{0,17})|f-(?P<fingerprint>[0-9a-f]{1,64})|none")


@dataclass(frozen=True, slots=True)
class Owner:
    """`name`: what the key is called today, or was called last."""

    key_id: int
    fingerprint: str
    name: str
    kind: str

    @property
    def slug(self) -> str:
        """Its part of an address."""
        return slug(self.key_id, self.fingerprint)

    @property
    def shown(self) -> str:
        return f"{self.name} (deleted)" if self.kind == DELETED else self.name

    @property
    def meaning(self) -> str:
        return MEANINGS[self.kind]


def slug(key_id: int, fingerprint: str) -> str:
    if key_id:
        return str(key_id)
    return f"f-{fingerprint}" if fingerprint else "none"


def identity(slug: str) -> tuple[int, str] | None:
    """(key_id, fingerprint) of a part of an address; None where it is none."""
    found = _SLUG.fullmatch(slug)
    return (int(found["id"] or 0), found["fingerprint"] or "") if found else None
