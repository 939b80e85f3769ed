from django.db import migrations, models

from crm_project.postgresql.indexes import AddIndexInUse


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0004_strategy"), ("operators", "0002_ledger_length")]

    operations = [
        AddIndexInUse(
            model_name="contact",
            index=models.Index(
                models.F("source"), models.F("created_at"), models.F("operator"), name="contact_arrival"
            ),
        ),
    ]
