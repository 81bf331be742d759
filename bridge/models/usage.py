"""The ledger: a row for each request, and sums of them that stay when the rows go.

Whoever used something is named by number and by name, without a foreign key, so that a key that
was deleted stays in every report: `key_id` is the row of an issued key (0: none), `fingerprint`
that of a forwarded key ("": none), and `key` what it was called at the time. Both empty: nobody,
a request whose key was refused. Ask for both together: that is how they are indexed. `person_id` is
the user whose key it was, `team_id` the team that it counted for.

Tokens are the client's: the whole prompt is input + cache read + cache write. Money is counted in
whole billionths of a US dollar, so that sums are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from django.db import models

from bridge import attempts
from bridge.attempts import AttemptRecord
from bridge.models import latency
from bridge.models.changes import Change
from bridge.models.people.keys import ApiKey
from bridge.outcomes import outcome
from bridge.translation.request import purpose

JUDGE_CLASS = purpose.JUDGE
OTHER_CLASS = "other"
"""Stands in sums for every class of requests that is not known: clients choose the word, and must
not choose how many sums there are."""


def lines_of(names: Iterable[str]) -> str:
    """Names as one text in which each can be looked for: between two line breaks. "" for none."""
    joined = "\n".join(names)
    return f"\n{joined}\n" if joined else ""


def _count() -> models.BigIntegerField[int, int]:
    return models.BigIntegerField(default=0)


class Identified(models.Model):
    """Whose request it was."""

    key_id = models.BigIntegerField(default=0)
    fingerprint = models.CharField(max_length=64, blank=True, default="")
    key = models.CharField(max_length=100, blank=True, default="")

    class Meta:
        abstract = True


class Attributed(Identified):
    """And for which person and team it counted; 0 and "" for none. Names as they were then."""

    person_id = models.BigIntegerField(default=0)
    person = models.CharField(max_length=150, blank=True, default="")
    team_id = models.BigIntegerField(default=0)
    team = models.CharField(max_length=100, blank=True, default="")

    class Meta:
        abstract = True


class SumColumns(models.Model):
    """What adds up. Every request is counted in `requests`, and in at most one of the next three.

    errors       ended with a status of 500 or more, before or within the stream
    refused      ended with a status of 400 to 498: bad requests, unknown keys, limits
    abandoned    the client left
    unpriced     used tokens of a model whose price is not known; `cost_nano_usd` lacks them
    estimated    token counts are ours, since the backend reported none
    repaired     something in the answer was mended;  retried: more than one attempt
    prompt_bytes, repeated_bytes    size of prompts, and how much of it the turn before had too
    tool_lists_changed   the tools were others than in the turn before, `tools_added` more of them
    calls_*      tool calls of the answers, by what became of them before a judge (see `safeguards`)
    duration_ms, first_token_ms     summed over answered requests; `first_tokens` counts the latter
    generated_tokens, generation_ms output and time after the first token, for tokens per second
    """

    requests = _count()
    errors = _count()
    refused = _count()
    abandoned = _count()
    streamed = _count()
    input_tokens = _count()
    output_tokens = _count()
    cache_read_tokens = _count()
    cache_write_tokens = _count()
    thinking_tokens = _count()
    cost_nano_usd = _count()
    unpriced = _count()
    estimated = _count()
    repaired = _count()
    retried = _count()
    prompt_bytes = _count()
    repeated_bytes = _count()
    tool_lists_changed = _count()
    tools_added = _count()
    calls_flagged = _count()
    calls_not_flagged = _count()
    calls_skipped = _count()
    calls_unanswered = _count()
    duration_ms = _count()
    first_tokens = _count()
    first_token_ms = _count()
    generated_tokens = _count()
    generation_ms = _count()

    NAMES: ClassVar[tuple[str, ...]] = ()

    class Meta:
        abstract = True


SumColumns.NAMES = tuple(field.name for field in SumColumns._meta.fields)


class UsageRecord(Attributed):
    """One request, whatever became of it. Kept for USAGE_RETENTION_DAYS."""

    request_id = models.CharField(max_length=64, unique=True)
    time = models.DateTimeField(help_text="When it arrived.")
    client = models.CharField(max_length=120, blank=True, default="")
    session = models.CharField(max_length=64, blank=True, default="")
    request_class = models.CharField(
        max_length=40, blank=True, default="", help_text="What it was for. Empty: not known."
    )
    agent_type = models.CharField(max_length=60, blank=True, default="")
    agent_id = models.CharField(max_length=64, blank=True, default="", help_text="Of a sub-agent.")
    parent_agent_id = models.CharField(max_length=64, blank=True, default="")
    prompt_id = models.CharField(
        max_length=64, blank=True, default="", help_text="Of the user's prompt that it serves."
    )
    compaction = models.CharField(
        max_length=40, blank=True, default="", help_text="It summarises the conversation, and why."
    )
    compacted = models.CharField(
        max_length=40, blank=True, default="", help_text="It is the first one after a compaction."
    )
    tool_milliseconds = models.JSONField(
        default=dict,
        blank=True,
        help_text="How long tools ran before it, by name. What is not named is not known.",
    )
    asked_model = models.CharField(max_length=300, blank=True, default="")
    alias = models.CharField(max_length=200, blank=True, default="", help_text="That matched.")
    backend = models.CharField(max_length=50, blank=True, default="")
    model = models.CharField(max_length=300, blank=True, default="", help_text="At the backend.")
    streamed = models.BooleanField(default=False)
    status = models.PositiveSmallIntegerField(default=0)
    error_type = models.CharField(max_length=60, blank=True, default="")
    error = models.CharField(
        max_length=300, blank=True, default="", help_text="The first words of its message."
    )
    error_group = models.CharField(
        max_length=16,
        blank=True,
        default="",
        help_text="Shared by messages that differ in numbers and names. Empty: no error.",
    )
    stop_reason = models.CharField(max_length=40, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    attempt_list = models.JSONField(
        default=list,
        blank=True,
        help_text="Every attempt, where one failed; else the one there was follows from the row.",
    )
    failed_lines = models.TextField(
        blank=True, default="", help_text="Backends where an attempt failed, as lines."
    )
    repairs = models.PositiveSmallIntegerField(default=0)
    input_tokens = _count()
    output_tokens = _count()
    cache_read_tokens = _count()
    cache_write_tokens = _count()
    thinking_tokens = models.BigIntegerField(null=True)
    estimated = models.BooleanField(default=False)
    cost_nano_usd = models.BigIntegerField(null=True, help_text="Empty: no price was known.")
    prompt_bytes = _count()
    repeated_bytes = _count()
    tool_lists_changed = _count()
    tools_added = _count()
    calls_flagged = _count()
    calls_not_flagged = _count()
    calls_skipped = _count()
    calls_unanswered = _count()
    translated_ms = models.PositiveIntegerField(null=True)
    headers_ms = models.PositiveIntegerField(null=True)
    first_token_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(default=0)
    parent_id = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="The request whose tool calls it judges.",
    )
    sample_bytes = models.PositiveIntegerField(default=0)
    detail = models.JSONField(default=dict, help_text="The rest, by the names of the record.")

    class Meta:
        ordering = ["-time", "-pk"]
        indexes = [
            models.Index(fields=["time"], name="record_by_time"),
            models.Index(fields=["key_id", "fingerprint", "time"], name="record_by_key"),
            models.Index(fields=["model", "time"], name="record_by_model"),
            models.Index(fields=["session", "time"], name="record_by_session"),
            models.Index(fields=["request_class", "time"], name="record_by_class"),
            models.Index(fields=["status", "time"], name="record_by_status"),
            models.Index(
                fields=["person_id", "time"],
                condition=models.Q(person_id__gt=0),
                name="record_by_person",
            ),
            models.Index(
                fields=["team_id", "time"], condition=models.Q(team_id__gt=0), name="record_by_team"
            ),
            models.Index(
                fields=["time"], condition=~models.Q(error_group=""), name="record_that_failed"
            ),
            models.Index(
                fields=["error_group", "time"],
                condition=~models.Q(error_group=""),
                name="record_by_error_group",
            ),
            models.Index(
                fields=[
                    "time",
                    "error_group",
                    "status",
                    "backend",
                    "model",
                    "key_id",
                    "fingerprint",
                ],
                condition=~models.Q(error_group=""),
                name="record_errors_by_time",
            ),
            models.Index(
                fields=["time", "sample_bytes"],
                condition=models.Q(sample_bytes__gt=0),
                name="record_by_sample",
            ),
            models.Index(
                fields=["parent_id"], condition=~models.Q(parent_id=""), name="record_by_parent"
            ),
        ]

    def __str__(self) -> str:
        return self.request_id

    @property
    def outcome(self) -> str:
        """answered, refused, abandoned or error."""
        return outcome(self.status)

    def attempts_made(self) -> Sequence[AttemptRecord]:
        """Every attempt in its order; none where no backend was asked."""
        return attempts.of_request(self)


HOUR_KEY = (
    "hour",
    "key_id",
    "fingerprint",
    "backend",
    "model",
    "alias",
    "request_class",
    "person_id",
    "team_id",
)
"""What tells one row of hourly sums from another."""


class UsageHour(Attributed, SumColumns):
    """The sums of one hour (UTC), for each key with its person and team, backend, model, alias and
    class of requests.

    Below them the histograms of `latency`, one column for each bucket: `first_token_00` and
    following, `duration_00` and following, of answered requests.
    """

    UNIQUE = HOUR_KEY
    FIRST_TOKEN = latency.FIRST_TOKEN
    DURATION = latency.DURATION

    hour = models.DateTimeField()
    backend = models.CharField(max_length=50, blank=True, default="")
    model = models.CharField(max_length=300, blank=True, default="")
    alias = models.CharField(max_length=200, blank=True, default="")
    request_class = models.CharField(
        max_length=40, blank=True, default="", help_text="One that is known, or OTHER_CLASS."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=HOUR_KEY,
                name="one_row_per_hour_and_group",
            )
        ]
        indexes = [
            models.Index(fields=["key_id", "fingerprint", "hour"], name="hour_by_key"),
            models.Index(fields=["model", "hour"], name="hour_by_model"),
            models.Index(
                fields=["person_id", "hour"],
                condition=models.Q(person_id__gt=0),
                name="hour_by_person",
            ),
            models.Index(
                fields=["team_id", "hour"], condition=models.Q(team_id__gt=0), name="hour_by_team"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M} {self.key} {self.model}"


for _name in (*latency.FIRST_TOKEN, *latency.DURATION):
    UsageHour.add_to_class(_name, models.IntegerField(default=0))


class UsageSession(Identified, SumColumns):
    """The sums of one Claude Code session. The client chooses its name, so each key has its own."""

    UNIQUE = ("session", "key_id", "fingerprint")

    session = models.CharField(max_length=64)
    client = models.CharField(max_length=120, blank=True, default="", help_text="Of its last turn.")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    largest_context = models.BigIntegerField(
        default=0, help_text="Tokens of the longest prompt together with its answer."
    )
    model_lines = models.TextField(
        blank=True, default="", help_text="Names of its models, each between line breaks."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["session", "key_id", "fingerprint"], name="one_row_per_session_and_key"
            )
        ]
        indexes = [
            models.Index(fields=["last_at"], name="session_by_time"),
            models.Index(fields=["key_id", "fingerprint", "last_at"], name="session_by_key"),
        ]

    def __str__(self) -> str:
        return self.session

    @property
    def model_names(self) -> list[str]:
        """The models that answered, at their backends' names."""
        return sorted(filter(None, self.model_lines.split("\n")))


class KeyLabel(models.Model):
    """What an operator calls a forwarded key, of which only the fingerprint is known."""

    fingerprint = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


def key_names() -> dict[tuple[int, str], str]:
    """(key_id, fingerprint) -> what a key is called today. Deleted keys are not in it."""
    issued = {(pk, ""): name for pk, name in ApiKey.objects.values_list("pk", "name")}
    labels = KeyLabel.objects.values_list("fingerprint", "name")
    return issued | {(0, fingerprint): name for fingerprint, name in labels}


def key_owners() -> dict[int, str]:
    """key_id -> who its row names as its owner, else its person; of deleted keys by the history."""
    rows = ApiKey.objects.values_list("pk", "owner", "person__username")
    return deleted_key_owners() | {pk: owner or person or "" for pk, owner, person in rows}


def deleted_key_owners() -> dict[int, str]:
    """The same of those that are in the history alone. One query."""
    gone = Change.objects.filter(kind=ApiKey.KIND, event="", after__isnull=True).order_by("pk")
    documents = gone.values_list("object_id", "before")
    return {pk: row.get("owner") or row.get("person") or "" for pk, row in documents if row}
