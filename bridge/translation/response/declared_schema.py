"""What a tool's JSON schema says of its arguments: which types a value may have, and where the
schema of a member stands.

Schemas come from clients: references are followed a few times, of alternatives a few are read.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.translation.json import JSON

CONTAINERS = frozenset({"array", "object"})
ANY = "any"
"""In place of a type, where the schema names none."""
MOST_REFERENCES = 10
MOST_ALTERNATIVES = 50
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")


class DeclaredSchema:
    """One tool's schema, read from `root`."""

    def __init__(self, root: JSON) -> None:
        self.root = root
        self._kinds: dict[int, frozenset[str]] = {}

    def containers(self, schema: JSON) -> frozenset[str]:
        """ "array", "object", or both, where the schema takes them and takes no text."""
        if not isinstance(schema, dict):
            return frozenset()
        key = id(schema)
        if key not in self._kinds:
            kinds = frozenset(self._kinds_of(schema))
            self._kinds[key] = frozenset() if kinds & {"string", ANY} else kinds & CONTAINERS
        return self._kinds[key]

    def member(self, schema: JSON, name: str) -> JSON:
        """The schema of a member of an object."""
        for form in self._forms(schema):
            properties = form.get("properties")
            if isinstance(properties, dict) and name in properties:
                return properties[name]
        others = (form.get("additionalProperties") for form in self._forms(schema))
        return next((other for other in others if isinstance(other, dict)), None)

    def item(self, schema: JSON) -> JSON:
        """The schema of an array's items."""
        items = (form.get("items") for form in self._forms(schema))
        return next((item for item in items if isinstance(item, dict)), None)

    @property
    def has_containers(self) -> bool:
        """Whether any argument may be something else than a plain value."""
        for form in self._forms(self.root):
            properties = form.get("properties")
            members = list(properties.values()) if isinstance(properties, dict) else []
            members.append(form.get("additionalProperties"))
            if any(CONTAINERS & set(self._kinds_of(m)) for m in members if isinstance(m, dict)):
                return True
        return False

    def _forms(self, schema: JSON) -> Iterator[dict[str, JSON]]:
        """The schema with its references followed, and its alternatives."""
        schema = self._resolved(schema)
        if not isinstance(schema, dict):
            return
        yield schema
        for branch in self._branches(schema):
            found = self._resolved(branch)
            if isinstance(found, dict):
                yield found

    def _branches(self, schema: dict[str, JSON]) -> list[JSON]:
        lists = (schema.get(name) for name in _ALTERNATIVES)
        found = [branch for branches in lists if isinstance(branches, list) for branch in branches]
        return found[:MOST_ALTERNATIVES]

    def _resolved(self, schema: JSON) -> JSON:
        for _ in range(MOST_REFERENCES):
            reference = schema.get("$ref") if isinstance(schema, dict) else None
            if not isinstance(reference, str):
                return schema
            schema = self._at(reference)
        return None

    def _at(self, reference: str) -> JSON:
        """What a reference into this schema names: ``#/$defs/Item``."""
        found = self.root
        for name in reference.removeprefix("#").split("/")[1:MOST_REFERENCES]:
            found = found.get(name) if isinstance(found, dict) else None
        return found if reference.startswith("#") else None

    def _kinds_of(self, schema: JSON) -> list[str]:
        """The types that a schema takes; `ANY` where it leaves that open."""
        schema = self._resolved(schema)
        if not isinstance(schema, dict):
            return [ANY]
        kind = schema.get("type")
        if isinstance(kind, str):
            return [kind]
        if isinstance(kind, list):
            return [name for name in kind if isinstance(name, str)]
        branches = [self._resolved(branch) for branch in self._branches(schema)]
        if branches:
            return [name for branch in branches for name in _own_kinds(branch)]
        return _own_kinds(schema)


def _own_kinds(schema: JSON) -> list[str]:
    """The types that a schema names itself, or by what it demands."""
    if not isinstance(schema, dict):
        return [ANY]
    kind = schema.get("type")
    if isinstance(kind, list):
        return [name for name in kind if isinstance(name, str)]
    if isinstance(kind, str):
        return [kind]
    if isinstance(schema.get("properties"), dict):
        return ["object"]
    return ["array"] if isinstance(schema.get("items"), dict) else [ANY]
