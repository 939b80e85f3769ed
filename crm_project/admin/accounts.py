"""Users and groups, dressed like the rest of the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from crm_project.access.roles import name_shown
from crm_project.admin.base import Admin

admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(auth_admin.UserAdmin, Admin):
    """Who may log in, and what they may do."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Return the field; groups that are roles are shown by the names of these."""
        field = super().formfield_for_manytomany(db_field, request, **options)
        if isinstance(field, forms.ModelMultipleChoiceField) and db_field.name == "groups":
            field.label_from_instance = lambda group: name_shown(group.name)  # type: ignore[assignment,method-assign]
        return field


@admin.register(Group)
class GroupAdmin(auth_admin.GroupAdmin, Admin):
    """Sets of permissions that many users share."""

    list_display = ("shown", "name")
    list_display_links = ("shown", "name")

    @admin.display(description=_("role"), ordering="name")
    def shown(self, group: Group) -> str:
        """Show the name of the role."""
        return name_shown(group.name)
