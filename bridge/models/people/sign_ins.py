"""Sign-ins of people with a client: those that wait for a person, and those that were made.

Neither is part of the configuration: what requests need of a sign-in is its key.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import models, transaction
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce, Greatest
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils import timezone

from bridge.models.changes import happened, take_turn
from bridge.models.people.ended_keys import KeyUse
from bridge.models.people.keys import ApiKey
from bridge.models.people.persons import SIGN_INS
from bridge.sign_in import polling, user_codes
from bridge.sign_in.polling import RequestState, Waiting

LONGEST_CLIENT = 200
UNNAMED = "an unnamed client"
APPROVED, DENIED, ENDED = "approved a sign-in", "denied a sign-in", "no longer signed in"
"""Events of the history."""
STATES = [(state.value, state.value) for state in RequestState]


class SignInQuerySet(models.QuerySet["SignIn"]):
    """What pages ask."""

    def of_person(self, person: User) -> SignInQuerySet:
        """All of a person, the newest first."""
        return self.filter(person=person)

    def active(self) -> SignInQuerySet:
        """Those that can still be refreshed."""
        return self.filter(ended_at=None, expires_at__gt=timezone.now(), person__is_active=True)

    def with_last_use(self) -> SignInQuerySet:
        """`last_at`: when its key was last seen, or None."""
        uses = KeyUse.objects.filter(key_id=OuterRef("key_id")).order_by("-last_at")
        newest = Subquery(uses.values("last_at")[:1])
        return self.annotate(last_at=Coalesce(Greatest(newest, F("used_at")), newest, F("used_at")))


class SignIn(models.Model):
    """One sign-in of a person with a client: a session key and its family of refresh tokens.

    family_digest   of what all its refresh tokens begin with
    refresh_digest  of the token that is good now; `former_digest` of the one before it
    expires_at      when it ends unless it is refreshed
    used_at         the last use of session keys that it no longer has
    """

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_ins")
    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, related_name="sign_in")
    client = models.CharField(max_length=LONGEST_CLIENT, blank=True, default="")
    address = models.GenericIPAddressField(null=True, blank=True)
    family_digest = models.CharField(max_length=64, unique=True)
    refresh_digest = models.CharField(max_length=64)
    former_digest = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    refreshed_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, db_index=True)
    ended_why = models.CharField(max_length=100, blank=True, default="")

    objects = SignInQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name = "sign-in"

    def __str__(self) -> str:
        return f"{self.person} with {self.client or UNNAMED}"

    @transaction.atomic
    def end(self, why: str) -> None:
        """Neither its key nor any of its refresh tokens is good any more, for good.

        Both rows are locked as a refresh locks them, so that neither is written over the other.
        """
        take_turn()
        locked = SignIn.objects.select_for_update(of=("self", "key"))
        row = locked.select_related("key", "person").filter(pk=self.pk).first()
        if row is None:
            return
        if row.ended_at is None:
            row.ended_at, row.ended_why = timezone.now(), why
            row.save(update_fields=["ended_at", "ended_why"])
            details = {"of": row.client or UNNAMED, "because": why}
            happened(SIGN_INS, row.person_id, row.person.get_username(), ENDED, details)
        if row.key.revoked_at is None:
            row.key.revoke()
        self.ended_at, self.ended_why, self.key = row.ended_at, row.ended_why, row.key

    @classmethod
    @transaction.atomic
    def end_all(cls, person: User, why: str) -> int:
        """End all of a person; how many it were. An approval whose client has not come for its
        tokens yet is taken back first, so that none can come in between."""
        take_turn()
        approved = person.device_requests.filter(state=RequestState.APPROVED)
        approved.update(state=RequestState.DENIED)
        rows = cls.objects.of_person(person).filter(ended_at=None).select_related("key")
        for row in rows:
            row.end(why)
        return len(rows)

    @property
    def state(self) -> str:
        """active, ended, expired, or that its person is not active."""
        if self.ended_at is not None:
            return "ended"
        if self.expires_at <= timezone.now():
            return "expired"
        return "active" if self.person.is_active else "person not active"


class DeviceRequest(models.Model):
    """A client that waits for a person to confirm its sign-in. Good for ten minutes."""

    code_digest = models.CharField(max_length=64, unique=True)
    user_code = models.CharField(max_length=user_codes.LENGTH, unique=True)
    client = models.CharField(max_length=LONGEST_CLIENT, blank=True, default="")
    address = models.GenericIPAddressField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=STATES, default=RequestState.PENDING.value)
    person = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="device_requests", null=True, blank=True
    )
    sign_in = models.ForeignKey(
        SignIn, on_delete=models.SET_NULL, related_name="device_requests", null=True, blank=True
    )
    interval = models.PositiveSmallIntegerField(default=polling.INTERVAL)
    polled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.client or UNNAMED} from {self.address or 'an unknown address'}"

    @property
    def waiting(self) -> Waiting:
        lifetime = timedelta(seconds=polling.EXPIRES_IN)
        return Waiting(
            RequestState(self.state), self.created_at + lifetime, self.interval, self.polled_at
        )


@receiver(post_save, sender=User)
def _person_deactivated(sender: type[User], instance: User, **_: Any) -> None:
    """What a person signed in to stays ended, also when the person is active again."""
    if not instance.is_active:
        SignIn.end_all(instance, "the person was deactivated")
