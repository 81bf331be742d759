"""Users and groups in the admin: one choice of a role in the place of four boxes.

Only admins come here. A right on users would be the right to everything, so no group can have it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminRadioSelectWidget

from bridge.accounts import roles
from bridge.accounts.role_changes import LAST_ADMIN, admins_without, given_by_hand
from bridge.admin import formatting
from bridge.admin.base import RecordedPages
from bridge.admin.people import handed_out

ROLES = {"": "None", **{name: name.capitalize() for name in roles.MEANINGS}}
MEANINGS = {"": "Signs in with a client, and opens no page of operators.", **roles.MEANINGS}


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A user with a role, which decides whether and as what they log in."""

    role = forms.ChoiceField(
        choices=list(ROLES.items()),
        required=False,
        widget=UnfoldAdminRadioSelectWidget,
        help_text=format_html_join(
            mark_safe("<br>"),
            "<strong>{}</strong>: {}",
            ((ROLES[name], meaning) for name, meaning in MEANINGS.items()),
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["role"] = roles.role_of(self.instance)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        is_admin = cleaned.get("role") == roles.ADMIN and cleaned.get("is_active", True)
        if not is_admin and not admins_without([self.instance.pk]):
            self.add_error("role", LAST_ADMIN)
        return cleaned

    def save(self, commit: bool = True) -> Any:
        role, further = self.cleaned_data["role"], self.cleaned_data.get("groups")
        self.instance.is_superuser = role == roles.ADMIN
        self.instance.is_staff = bool(role or further)
        return super().save(commit)

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]
        role = Group.objects.filter(name=self.cleaned_data["role"], name__in=roles.GROUPS)
        self.instance.groups.add(*role)
        if "role" in self.changed_data:
            given_by_hand(self.instance)


class AddUserForm(RoleForm, UserCreationForm):
    pass


class EditUserForm(RoleForm, UserChangeForm):
    pass


class ForAdmins:
    """Pages that only admins open, whatever permissions others were given."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser


admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(ForAdmins, RecordedPages, DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = EditUserForm
    add_form = AddUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "role", "is_active", "last_seen")
    list_filter = ("is_active", "is_superuser", "groups")
    list_fullwidth = True
    readonly_fields = ("last_seen", "joined", "managed_settings")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "is_active", "role")}),
        ("Who this is", {"fields": ("first_name", "last_name", "email")}),
        ("Rights beside the role", {"fields": ("groups",), "classes": ("collapse",)}),
        ("Seen", {"fields": ("last_seen", "joined")}),
        (
            "What Claude Code is handed",
            {"fields": ("managed_settings",), "classes": ("collapse",)},
        ),
    )
    add_fieldsets = ((None, {"fields": ("username", "password1", "password2", "role")}),)

    @admin.display(description="role")
    def role(self, user: User) -> str:
        return roles.role_of(user) or "none"

    @admin.display(description="last login", ordering="last_login")
    def last_seen(self, user: User) -> str:
        return formatting.moment(user.last_login)

    @admin.display(description="date joined")
    def joined(self, user: User) -> str:
        return formatting.moment(user.date_joined)

    @admin.display(description="managed settings")
    def managed_settings(self, user: User) -> str:
        return format_html('<pre class="gw-pre">{}</pre>', handed_out.to_person(user).text)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """All that this user did, and what became of them."""
        user = get_object_or_404(User, pk=object_id)
        query = urlencode({"person": user.get_username()})
        return redirect(f"{reverse('admin:bridge_change_changelist')}?{query}")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs["queryset"] = Group.objects.exclude(name__in=roles.GROUPS)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What is deleted along, and what forbids it: somebody has to be left."""
        gone, count, missing, protected = super().get_deleted_objects(objs, request)
        if not admins_without([user.pk for user in objs]):
            protected = [*protected, LAST_ADMIN]
        return gone, count, missing, protected


class RightsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """What members may do, as a list to tick: "backend: view". Only what has an effect."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def __init__(self, **kwargs: Any) -> None:
        names = [name for role in roles.GROUPS for name in roles.codenames(roles.APPS, role)]
        useful = Permission.objects.filter(
            content_type__app_label__in=roles.APPS, codename__in=names
        )
        ordered = useful.select_related("content_type").order_by("content_type__model", "pk")
        super().__init__(ordered, **kwargs)

    def label_from_instance(self, right: Permission) -> str:
        return f"{right.content_type.name}: {right.codename.partition('_')[0]}"


@admin.register(Group)
class GroupAdmin(ForAdmins, RecordedPages, DjangoGroupAdmin, ModelAdmin):
    """Groups of an admin's own. The two of the gateway are shown and not edited."""

    list_display = ("name", "meaning")
    filter_horizontal = ()

    @admin.display(description="meaning")
    def meaning(self, group: Group) -> str:
        return roles.MEANINGS.get(group.name, "")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_ours(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_ours(obj) and super().has_delete_permission(request, obj)

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        if db_field.name == "permissions":
            return RightsField(required=False)
        return super().formfield_for_manytomany(db_field, request, **kwargs)


def _is_ours(group: Group | None) -> bool:
    return group is not None and group.name in roles.GROUPS
