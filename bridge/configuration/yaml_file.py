"""The configuration as a YAML file, for people who keep it under version control.

Sections are the kinds of rows, entries their documents. Reading a file makes the rows that it names
what it says; what an entry leaves out gets its default. Only a stored backend key stays when the
file does not name one, for such keys are never written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import yaml
from django.core.exceptions import ValidationError
from django.db import transaction

from bridge.configuration.documents import KINDS, find, put
from bridge.keys import encryption
from bridge.models import AliasTarget, Backend, Change, ConfigRow, Document, Origin
from bridge.models.changes import recorded

SECTIONS = KINDS
PARTS = {"aliases": {"targets"}, "teams": {"members"}}
"""Members of a document that are rows of their own."""
SEALABLE = {"api_key": "a key", "webhook": "an address", "secret": "a secret"}
"""Members that are stored sealed, and what they are."""
SEALED_ELSEWHERE = (
    "expected {what} or env:NAME; what is sealed can be read by its own database alone"
)
_TARGET = {"backend", *AliasTarget.MEMBERS}

HEADING = """\
# Written by `manage.py export_config`; read it back with `manage.py import_config FILE`.
# No key itself is in here, of backends or of clients. Rows from the environment neither.
"""


class ConfigFileError(ValueError):
    """What is wrong with a file, one sentence each, with the place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """One document of a file. `place` is like ``aliases[2]``."""

    model: type[ConfigRow]
    document: Document
    place: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a file says. `kinds` has empty sections, too."""

    entries: tuple[ConfigEntry, ...]
    kinds: frozenset[str]


def export() -> str:
    """All rows of operators, as the text of a file."""
    found = sections()
    body = yaml.safe_dump(
        found, sort_keys=False, allow_unicode=True, default_flow_style=None, width=200
    )
    return HEADING + (body if found else "")


def sections() -> dict[str, list[Document]]:
    """What a file says, as plain data. Without keys that are stored."""
    exported = {kind: list(_exported(model)) for kind, model in SECTIONS.items()}
    return {kind: documents for kind, documents in exported.items() if documents}


def _exported(model: type[ConfigRow]) -> Iterator[Document]:
    for row in model._default_manager.all():
        if getattr(row, "origin", None) != Origin.ENVIRONMENT:
            document = row.in_file()
            if str(document.get("api_key", "")).startswith(encryption.PREFIX):
                del document["api_key"]
            if document:
                yield document


# --- reading ----------------------------------------------------------------------------------


def read(text: str) -> Content:
    """The entries of a file, in the order in which rows can be made. Raises ConfigFileError."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigFileError([" ".join(str(error).split())]) from None
    return content_of({} if content is None else content)


def content_of(content: Any) -> Content:
    """The entries of what `sections` gives. Raises ConfigFileError."""
    if not isinstance(content, dict):
        raise ConfigFileError([f"expected sections: {', '.join(SECTIONS)}"])
    problems = [f"{name}: no such section" for name in content if name not in SECTIONS]
    entries: list[ConfigEntry] = []
    for kind, model in SECTIONS.items():
        documents = content.get(kind) or []
        if not isinstance(documents, list):
            problems.append(f"{kind}: expected a list")
            continue
        found = [ConfigEntry(model, doc, f"{kind}[{i}]") for i, doc in enumerate(documents)]
        problems += [problem for entry in found for problem in _problems(entry)]
        entries += found
    problems = problems or list(_repeated(entries))
    if problems:
        raise ConfigFileError(problems)
    return Content(tuple(entries), frozenset(content))


def _repeated(entries: list[ConfigEntry]) -> Iterator[str]:
    first: dict[tuple[Any, ...], str] = {}
    for entry in entries:
        known = first.setdefault((entry.model, *_key(entry.model, entry.document)), entry.place)
        if known != entry.place:
            yield f"{entry.place}: the same as {known}"


def _problems(entry: ConfigEntry) -> Iterator[str]:
    model, document, place = entry.model, entry.document, entry.place
    if not isinstance(document, dict):
        yield f"{place}: expected a mapping"
        return
    parts = PARTS.get(model.KIND, set())
    for name in model.NATURAL_KEY:
        if name in model.OPTIONAL and isinstance(document.get(name, ""), str):
            continue
        if not isinstance(document.get(name), str) or not document[name]:
            yield f"{place}.{name}: expected a text"
    for name, value in document.items():
        if (name not in model.MEMBERS and name not in parts) or name in model.NOT_IN_FILE:
            yield f"{place}.{name}: no such member"
        elif isinstance(value, float) and not isfinite(value):
            yield f"{place}.{name}: expected a number"
    yield from _sealed_members(document, place)
    if "targets" in parts:
        yield from _target_problems(document.get("targets"), f"{place}.targets")


def _sealed_members(document: Document, place: str) -> Iterator[str]:
    for name, what in SEALABLE.items():
        if str(document.get(name, "")).startswith(encryption.PREFIX):
            yield f"{place}.{name}: {SEALED_ELSEWHERE.format(what=what)}"


def _target_problems(targets: Any, place: str) -> Iterator[str]:
    if not isinstance(targets, list) or not targets:
        yield f"{place}: expected a list with at least one target"
        return
    for i, target in enumerate(targets):
        if not isinstance(target, dict) or not {"backend", "model"} <= set(target):
            yield f"{place}[{i}]: expected a mapping with backend and model"
        else:
            yield from (
                f"{place}[{i}].{name}: no such member" for name in target if name not in _TARGET
            )


# --- applying ---------------------------------------------------------------------------------


def apply(
    content: Content, actor: str, *, prune: bool = False, dry_run: bool = False
) -> list[Change]:
    """Make the rows what the file says, all or nothing; what changed by it.

    `prune` deletes operators' rows that the file does not have, in the sections that it has.
    Raises ConfigFileError.
    """
    with transaction.atomic():
        with recorded(actor) as changes:
            for entry in content.entries:
                _put(entry)
            if prune:
                _prune(content)
        if dry_run:
            transaction.set_rollback(True)
    return changes


def _put(entry: ConfigEntry) -> None:
    row = find(entry.model, entry.document)
    document = dict(entry.document)
    if isinstance(row, Backend):
        document.setdefault("api_key", row.credential)
    try:
        put(entry.model, row.from_file(document) if row else document, row)
    except ValidationError as error:
        raise ConfigFileError(
            [f"{entry.place}.{problem}" for problem in _row_problems(entry, error)]
        ) from None


def _row_problems(entry: ConfigEntry, error: ValidationError) -> Iterator[str]:
    """What is wrong, by the names that the file uses."""
    members = {column: member for member, column in entry.model.MEMBERS.items()}
    for column, texts in error.message_dict.items():
        yield f"{members.get(column, column)}: {' '.join(texts)}"


def _prune(content: Content) -> None:
    kept = {(entry.model, _key(entry.model, entry.document)) for entry in content.entries}
    for kind, model in reversed(SECTIONS.items()):
        rows = model._default_manager.all() if kind in content.kinds else []
        for row in rows:
            if getattr(row, "origin", None) == Origin.ENVIRONMENT or not row.in_file():
                continue
            if (model, _key(model, row.in_file())) not in kept:
                _withdraw(row)


def _withdraw(row: ConfigRow) -> None:
    """Aliases go before backends, so that what still leads to one is meant to stay."""
    if isinstance(row, Backend) and (target := row.targets.select_related("alias").first()):
        raise ConfigFileError([f"backends: {row} is not in the file, but {target.alias} needs it"])
    try:
        row.remove()
    except ValidationError as error:
        raise ConfigFileError([f"{row.KIND}: {text}" for text in error.messages]) from None


def _key(model: type[ConfigRow], document: Document) -> tuple[Any, ...]:
    return model.key_of(document)
