"""What was there before anything was recorded: the loads and the settings as they stand now."""

from django.db import migrations

OPERATOR_SETTINGS = ("name", "external_id", "is_active", "max_load")
SOURCE_SETTINGS = ("name", "code", "is_active", "reuse_open_contact", "strategy", "prefer_same_operator")


def begin(apps, schema_editor):
    SettingChange = apps.get_model("distribution", "SettingChange")
    Checkpoint = apps.get_model("distribution", "Checkpoint")
    Weight = apps.get_model("operators", "Weight")
    changes = []
    for operator in apps.get_model("operators", "Operator").objects.order_by("pk"):
        for name in OPERATOR_SETTINGS:
            changes.append(SettingChange(operator_id=operator.pk, setting=name, after=getattr(operator, name)))
        Checkpoint.objects.create(operator=operator, number=0, load=operator.load, max_load=operator.max_load)
    for source in apps.get_model("leads", "Source").objects.order_by("pk"):
        for name in SOURCE_SETTINGS:
            changes.append(SettingChange(source_id=source.pk, setting=name, after=getattr(source, name)))
    for weight in Weight.objects.order_by("source_id", "operator_id"):
        changes.append(
            SettingChange(
                operator_id=weight.operator_id, source_id=weight.source_id, setting="weight", after=weight.weight
            )
        )
    SettingChange.objects.bulk_create(changes, batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("distribution", "0001_initial")]

    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
