from django.db import migrations, models

from crm_project.postgresql.indexes import AddIndexInUse


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0013_lead_erased")]

    operations = [
        AddIndexInUse(
            model_name="contact",
            index=models.Index(models.F("lead"), models.F("id"), name="contact_lead"),
        ),
        AddIndexInUse(
            model_name="contact",
            index=models.Index(models.F("source"), models.F("id"), name="contact_source"),
        ),
        AddIndexInUse(
            model_name="contact",
            index=models.Index(
                models.F("source"),
                models.F("created_at"),
                models.F("id"),
                models.F("operator"),
                name="contact_source_created",
            ),
        ),
        AddIndexInUse(
            model_name="contact",
            index=models.Index(models.F("operator"), models.F("id"), name="contact_operator"),
        ),
        AddIndexInUse(
            model_name="contact",
            index=models.Index(
                models.F("operator"), models.F("created_at"), models.F("id"), name="contact_operator_created"
            ),
        ),
        AddIndexInUse(
            model_name="contact",
            index=models.Index(models.F("status"), models.F("id"), name="contact_status"),
        ),
        AddIndexInUse(
            model_name="contact",
            index=models.Index(
                models.F("status"), models.F("created_at"), models.F("id"), name="contact_status_created"
            ),
        ),
        AddIndexInUse(
            model_name="contact",
            index=models.Index(models.F("external_id"), models.F("id"), name="contact_external_id"),
        ),
        AddIndexInUse(
            model_name="contact",
            index=models.Index(models.F("created_at"), models.F("id"), name="contact_created"),
        ),
        AddIndexInUse(
            model_name="lead",
            index=models.Index(models.F("created_at"), models.F("id"), name="lead_created"),
        ),
    ]
