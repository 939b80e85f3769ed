"""Users and groups, dressed like the rest of the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group, Permission, User
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext_lazy, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from crm_project.access.roles import name_shown
from crm_project.admin.base import Admin

DEEDS = {
    "view": pgettext_lazy("permission", "see"),
    "add": pgettext_lazy("permission", "add"),
    "change": pgettext_lazy("permission", "change"),
    "delete": pgettext_lazy("permission", "delete"),
}

admin.site.unregister([User, Group])


class RoleFilter(admin.RelatedFieldListFilter):
    """The users of a group; groups that are roles are shown by the names of these."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, Any]]:
        """Return the groups."""
        return [(pk, name_shown(str(name))) for pk, name in super().field_choices(field, request, model_admin)]


class WithPermissions(admin.ModelAdmin):
    """A page where permissions are given: those of what the back office shows, said in the user's language."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Return the field."""
        field = super().formfield_for_manytomany(db_field, request, **options)
        if isinstance(field, forms.ModelMultipleChoiceField) and db_field.related_model is Permission:
            shown = {model._meta.app_label for model in self.admin_site._registry}
            field.queryset = field.queryset.filter(content_type__app_label__in=shown)  # type: ignore[union-attr]
            field.label_from_instance = permission_shown  # type: ignore[assignment,method-assign]
        return field


@admin.register(User)
class UserAdmin(auth_admin.UserAdmin, WithPermissions, Admin):
    """Who may log in, and what they may do."""

    count_of_rows = ngettext_lazy("%(count)d user", "%(count)d users", "count")
    list_filter = ("is_active", "is_staff", "is_superuser", ("groups", RoleFilter))
    readonly_fields = ("last_login", "date_joined")
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
class GroupAdmin(auth_admin.GroupAdmin, WithPermissions, Admin):
    """Sets of permissions that many users share."""

    count_of_rows = ngettext_lazy("%(count)d group", "%(count)d groups", "count")
    list_display = ("shown", "name")
    list_display_links = ("shown", "name")

    @admin.display(description=_("role"), ordering="name")
    def shown(self, group: Group) -> str:
        """Show the name of the role."""
        return name_shown(group.name)


def permission_shown(permission: Permission) -> str:
    """Return what a permission allows: the rows of a model and what may be done with them, or a sentence of its own."""
    model = permission.content_type.model_class()
    deed = DEEDS.get(permission.codename.partition("_")[0])
    rows = model._meta.verbose_name_plural if model else permission.content_type.model
    return f"{capfirst(str(rows))}: {deed or gettext(permission.name)}"
