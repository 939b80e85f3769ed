"""Supervisors and auditors look at events, endpoints and deliveries; secrets have no permission of theirs."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.models import Q

APPS = ("distribution", "webhooks")
SEEN = Q(content_type__app_label="distribution", codename="view_event") | Q(
    content_type__app_label="webhooks", codename__in=["view_endpoint", "view_delivery"]
)


def let_roles_see(apps, schema_editor):
    _make_permissions(apps)
    permissions = apps.get_model("auth", "Permission").objects.filter(SEEN)
    for group in apps.get_model("auth", "Group").objects.filter(name__in=["supervisor", "auditor"]):
        group.permissions.add(*permissions)


def _make_permissions(apps):
    # Django makes them after the last migration; here they are needed before.
    for label in APPS:
        config = apps.get_app_config(label)
        module = getattr(config, "models_module", None)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = module


class Migration(migrations.Migration):
    dependencies = [
        ("distribution", "0005_event"),
        ("webhooks", "0001_initial"),
    ]

    operations = [migrations.RunPython(let_roles_see, migrations.RunPython.noop)]
