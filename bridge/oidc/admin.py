"""Which company account is which user, for admins; and nothing else of allauth in the admin.

Its own pages would show secrets of clients, and let somebody add a second provider.
"""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from bridge.admin import formatting
from bridge.admin.people.users import ForAdmins
from bridge.oidc.id_token import LONGEST_SUBJECT

for model in (EmailAddress, SocialAccount, SocialApp, SocialToken):
    try:
        admin.site.unregister(model)
    except NotRegistered:
        continue  # that page was never there


# the admin shows these words; migrations look at the model's own
SocialAccount._meta.verbose_name = "company account"
SocialAccount._meta.verbose_name_plural = "company accounts"


class LinkForm(forms.ModelForm):  # type: ignore[type-arg]
    """A user, and the number of a company account."""

    user = forms.ModelChoiceField(User.objects.order_by("username"), widget=UnfoldAdminSelectWidget)
    uid = forms.CharField(
        label="Number",
        max_length=LONGEST_SUBJECT,
        widget=UnfoldAdminTextInputWidget,
        help_text="The account's sub at the provider. The page of a refused sign-in shows it.",
    )

    class Meta:
        model = SocialAccount
        fields = ("user", "uid")

    def clean_uid(self) -> str:
        number: str = self.cleaned_data["uid"]
        known = SocialAccount.objects.filter(provider=settings.OIDC_ISSUER, uid=number)
        if known.exclude(pk=self.instance.pk).exists():
            raise ValidationError("This company account is linked already.")
        return number


@admin.register(SocialAccount)
class CompanyAccountAdmin(ForAdmins, ModelAdmin):
    form = LinkForm
    list_display = ("user", "number", "issuer", "last_seen")
    list_select_related = ("user",)
    search_fields = ("user__username", "uid")
    fields = ("user", "uid")

    @display(description="number", ordering="uid")
    def number(self, row: Any) -> str:
        return str(row.uid)

    @display(description="provider", ordering="provider")
    def issuer(self, row: Any) -> str:
        return str(row.provider)

    @display(description="last sign-in", ordering="last_login")
    def last_seen(self, row: Any) -> str:
        return formatting.moment(row.last_login)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A link is made or taken away, never bent."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.provider = settings.OIDC_ISSUER
        super().save_model(request, obj, form, change)
