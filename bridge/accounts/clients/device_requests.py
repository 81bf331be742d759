"""Clients that wait for a person: how they begin, what they are answered, and who decides."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from bridge.models import DeviceRequest
from bridge.models.changes import happened
from bridge.models.people.persons import SIGN_INS
from bridge.models.people.sign_ins import APPROVED, DENIED, LONGEST_CLIENT, UNNAMED
from bridge.sign_in import failures, polling, tokens, user_codes
from bridge.sign_in.failures import NoTokensError
from bridge.sign_in.polling import RequestState

MOST_WAITING = 2000
"""Clients that wait at one moment; more are refused until some have expired."""
RETRY_SECONDS = 60
UNKNOWN_CODE = "device_code: it is not known here"
USED = "its device code was used again"


def begin(client: str, address: str | None) -> tuple[DeviceRequest, str]:
    """A new one and its device code. Raises NoTokensError: too many wait."""
    since = timezone.now() - timedelta(seconds=polling.EXPIRES_IN)
    waiting = DeviceRequest.objects.filter(state=RequestState.PENDING, created_at__gt=since)
    if waiting.count() >= MOST_WAITING:
        text = "Too many clients wait to be confirmed; try again in a minute"
        raise NoTokensError(failures.UNAVAILABLE, text, 503, RETRY_SECONDS)
    code = tokens.new_device_code()
    row = DeviceRequest.objects.create(
        code_digest=tokens.digest(code),
        user_code=_free_code(),
        client=readable(client),
        address=address,
    )
    return row, code


def readable(client: str) -> str:
    """What a client calls itself, fit for a page."""
    return "".join(filter(str.isprintable, client))[:LONGEST_CLIENT].strip()


def _free_code() -> str:
    while DeviceRequest.objects.filter(user_code=(code := user_codes.new())).exists():
        pass
    return code


def approved(device_code: str) -> DeviceRequest:
    """The one with this code, whose person has agreed. Raises NoTokensError for any other.

    Whoever asks too soon is to ask less often from then on. A code that comes again after its
    tokens were given out ends that sign-in: two have it.
    """
    row = DeviceRequest.objects.filter(code_digest=tokens.digest(device_code)).first()
    if row is None:
        raise NoTokensError(failures.INVALID_GRANT, UNKNOWN_CODE)
    now = timezone.now()
    problem = polling.problem(row.waiting, now)
    if row.state == RequestState.REDEEMED and row.sign_in is not None:
        row.sign_in.end(USED)
    if row.state == RequestState.PENDING:
        interval = row.waiting.slower() if row.waiting.is_hasty(now) else row.interval
        DeviceRequest.objects.filter(pk=row.pk).update(polled_at=now, interval=interval)
    if problem is not None:
        raise problem
    if row.person is None or not row.person.is_active:
        raise NoTokensError(failures.DENIED, "The account that approved this is not active")
    return row


# --- the person's side ------------------------------------------------------------------------


def called(typed: str) -> DeviceRequest | None:
    """The one with this user code, whatever became of it."""
    code = user_codes.read(typed)
    return DeviceRequest.objects.filter(user_code=code).first() if code else None


def decide(row: DeviceRequest, person: User, is_approved: bool) -> bool:
    """Approve or deny it; False when it does not wait any more."""
    since = timezone.now() - timedelta(seconds=polling.EXPIRES_IN)
    state = RequestState.APPROVED if is_approved else RequestState.DENIED
    waiting = DeviceRequest.objects.filter(
        pk=row.pk, state=RequestState.PENDING, created_at__gt=since
    )
    with transaction.atomic():
        is_decided = bool(waiting.update(state=state, person=person))
        if is_decided:
            name, event = person.get_username(), APPROVED if is_approved else DENIED
            details = {"of": row.client or UNNAMED}
            happened(SIGN_INS, person.pk, name, event, details, actor=name)
    return is_decided


def clear(at_once: int) -> int:
    """Delete some of those that are long over; how many it were."""
    over = DeviceRequest.objects.filter(created_at__lt=timezone.now() - timedelta(days=1))
    numbers = list(over.order_by("created_at").values_list("pk", flat=True)[:at_once])
    DeviceRequest.objects.filter(pk__in=numbers).delete()
    return len(numbers)
