"""Rules of warnings with a button for a test, and what was sent of late."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from bridge.admin import formatting
from bridge.admin.base import ConfigAdmin
from bridge.admin.fields.sealed import SealedForm
from bridge.models import DeliveryOutcome, WarningDelivery, WarningEvent, WarningRule
from bridge.models.warnings.kinds import WARNING_KINDS
from bridge.models.warnings.rules import new_secret
from bridge.warnings import outbox
from bridge.warnings.delivery_error import DeliveryError
from bridge.warnings.messages import a_test
from bridge.warnings.sender import send

SHOWN_DELIVERIES = 20


class WarningRuleForm(SealedForm):
    """A rule. Its address and its secret do not leave the server; a new rule is offered a secret,
    which is shown in this form alone."""

    SEALED = {"webhook": "address", "secret": "secret"}

    class Meta:
        model = WarningRule
        fields = ("name", "what", "threshold", "webhook", "secret", "mail_to", "enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None and "secret" in self.fields:
            self.initial["secret"] = new_secret()
            self.fields["secret"].help_text = (
                "A fresh one, shown only now: copy it for the receiver, which checks signatures "
                "with it. Or write one of your own, env:NAME, or nothing. Not used for mail."
            )

    def help_for(self, column: str, what: str) -> str:
        text = super().help_for(column, what)
        where = self.instance.destination
        return f"{text} It leads to {where}." if column == "webhook" else text

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        is_new_mail = self.instance.pk is None and given.get("mail_to") and not given.get("webhook")
        if is_new_mail and "secret" in given:
            given["secret"] = ""  # the one that was offered
        return given


@admin.register(WarningRule)
class WarningRuleAdmin(ConfigAdmin):
    form = WarningRuleForm
    list_display = ("name", "when", "where", "state", "deliveries")
    list_filter = ("enabled", "what")
    search_fields = ("name", "mail_to")
    buttons = ("send_test",)
    empty = (
        "No rule yet, so nothing is sent. A rule says which warnings go to which webhook or mail "
        "addresses: budgets that are nearly used, backends that are down, and more."
    )
    fieldsets = (
        (None, {"fields": ("name", "enabled")}),
        ("When", {"fields": ("what", "threshold")}),
        (
            "Where to",
            {
                "fields": ("webhook", "secret", "mail_to"),
                "description": "A webhook, or mail.",
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WarningRule]:
        rows: QuerySet[WarningRule] = super().get_queryset(request)
        counts = {
            outcome.value: Count("deliveries", filter=Q(deliveries__outcome=outcome))
            for outcome in DeliveryOutcome
        }
        return rows.annotate(**counts)

    # --- columns ---

    @display(description="warns when", ordering="what")
    def when(self, row: WarningRule) -> str:
        kind = WARNING_KINDS.get(row.what)
        if kind is None:
            return "Everything"
        number = f"{row.threshold} {kind.unit}" if row.threshold else kind.default_words
        return formatting.two_lines(kind.label, number)

    @display(description="sends to")
    def where(self, row: WarningRule) -> str:
        return row.destination

    @display(description="state", ordering="enabled")
    def state(self, row: WarningRule) -> str:
        word = "enabled" if row.enabled else "disabled"
        return formatting.state("success" if row.enabled else "default", word)

    @display(description="deliveries")
    def deliveries(self, row: Any) -> str:
        return _counted({outcome: getattr(row, outcome) for outcome in DeliveryOutcome.values})

    # --- one rule ---

    def panel(self, request: HttpRequest, row: WarningRule) -> dict[str, Any]:
        deliveries = row.deliveries.select_related("event").order_by("-pk")
        return {
            "template": "bridge/admin/warning_panel.html",
            "deliveries": deliveries[:SHOWN_DELIVERIES],
        }

    def goes_along(self, row: WarningRule) -> list[str]:
        count = row.deliveries.filter(outcome=DeliveryOutcome.WAITING).count()
        return [f"{count} deliveries that wait"] if count else []

    def send_test(self, request: HttpRequest, row: WarningRule) -> None:
        """Send one message now. When it is taken, what waits is tried again at once."""
        now = timezone.now()
        try:
            async_to_sync(send)(a_test(now), outbox.destination_of(row), now)
        except DeliveryError as error:
            messages.error(request, f"{row.destination} did not take the test: {error.reason}.")
            return
        outbox.retry_now(row.pk, now)
        messages.success(request, f"{row.destination} took the test.")


class DeliveryInline(TabularInline):
    model = WarningDelivery
    extra = 0
    hide_title = True
    verbose_name_plural = "Sent to"
    fields = readonly_fields = ("rule", "outcome", "tries", "last_error", "next_try_at", "done_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(WarningEvent)
class WarningEventAdmin(ModelAdmin):
    list_display = ("happened", "when", "state", "sent")
    list_filter = ("what", "type", "at")
    search_fields = ("text", "subject_name")
    list_per_page = 50
    inlines = (DeliveryInline,)
    fields = ("text", "type", "subject_name", "threshold", "at", "ended_at", "event_id")
    empty = (
        "Nothing to warn of yet. What rules look for is listed here when it happens, with what "
        "became of its deliveries."
    )
    empty_link = ("admin:bridge_warningrule_changelist", "See the rules")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WarningEvent]:
        rows: QuerySet[WarningEvent] = super().get_queryset(request)
        return rows.prefetch_related("deliveries")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="what happened", ordering="pk")
    def happened(self, row: WarningEvent) -> str:
        return formatting.two_lines(row.text, row.type)

    @display(description="when", ordering="at")
    def when(self, row: WarningEvent) -> str:
        return formatting.moment(row.at)

    @display(description="state", ordering="is_open")
    def state(self, row: WarningEvent) -> str:
        if row.is_open:
            return formatting.state("warning", "lasts")
        return "over" if row.ended_at else "-"

    @display(description="sent")
    def sent(self, row: WarningEvent) -> str:
        found = [delivery.outcome for delivery in row.deliveries.all()]
        return _counted({outcome: found.count(outcome) for outcome in DeliveryOutcome.values})


def _counted(counts: dict[str, int]) -> str:
    """2 delivered, 1 waiting; a dash for none."""
    parts = [f"{counts[name]} {DeliveryOutcome(name).label}" for name in counts if counts[name]]
    return ", ".join(parts) or "-"
