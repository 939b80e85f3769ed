"""The roles as groups: supervisor, auditor, operator. Nothing is taken from a group of that name that is there."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.models import Q

APPS = ("leads", "operators", "distribution")
OF_OPERATORS = Q(content_type__app_label="operators", codename="work_as_operator")
OF_AUDITORS = Q(content_type__app_label__in=APPS, codename__startswith="view_")
OF_SUPERVISORS = OF_AUDITORS | (Q(content_type__app_label__in=["leads", "operators"]) & ~OF_OPERATORS)


def make_roles(apps, schema_editor):
    _make_permissions(apps)
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    for name, permissions in {"supervisor": OF_SUPERVISORS, "auditor": OF_AUDITORS, "operator": OF_OPERATORS}.items():
        group, _created = Group.objects.get_or_create(name=name)
        group.permissions.add(*Permission.objects.filter(permissions))


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
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("distribution", "0003_bulk_runs"),
        ("leads", "0007_source_link_template"),
        ("operators", "0004_account"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
