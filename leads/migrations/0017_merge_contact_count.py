"""A merge tells how many contacts both leads had together, so that one removed since is noticed."""

from django.db import migrations, models
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce


def count_contacts(apps, schema_editor):
    Contact, Merge = apps.get_model("leads", "Contact"), apps.get_model("leads", "Merge")
    of_both = Contact.objects.filter(lead=OuterRef("survivor_id"), pk__lte=OuterRef("newest_contact_id"))
    count = of_both.order_by().values("lead").annotate(count=Count("pk")).values("count")
    Merge.objects.filter(undone_at=None).update(contact_count=Coalesce(Subquery(count), 0))


class Migration(migrations.Migration):
    dependencies = [("leads", "0016_log_by_number")]

    operations = [
        migrations.AddField(
            "merge",
            "contact_count",
            models.PositiveBigIntegerField(default=0, verbose_name="number of contacts at that time"),
            preserve_default=False,
        ),
        migrations.RunPython(count_contacts, migrations.RunPython.noop),
    ]
