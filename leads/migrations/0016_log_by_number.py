"""The log of the back office names leads and contacts by their numbers."""

from django.db import migrations
from django.db.models import F, Value
from django.db.models.functions import Concat


def name_by_number(apps, schema_editor):
    of_people = apps.get_model("admin", "LogEntry").objects.filter(
        content_type__app_label="leads", content_type__model__in=["lead", "contact"], object_id__isnull=False
    )
    of_people.update(object_repr=Concat(Value("№ "), F("object_id")))


class Migration(migrations.Migration):
    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("leads", "0015_contact_without_plain_indexes"),
    ]

    operations = [migrations.RunPython(name_by_number, migrations.RunPython.noop)]
