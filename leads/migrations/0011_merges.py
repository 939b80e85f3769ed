import django.core.validators
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0010_identities_of_leads")]

    operations = [
        migrations.AlterField(
            model_name="lead",
            name="external_id",
            field=models.CharField(
                help_text="A phone, an e-mail, or the id in the bot.",
                max_length=255,
                validators=[django.core.validators.MinLengthValidator(1)],
                verbose_name="external id",
            ),
        ),
        migrations.CreateModel(
            name="Merge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("survivor_id", models.PositiveBigIntegerField(db_index=True, verbose_name="survivor")),
                ("lead_id", models.PositiveBigIntegerField(db_index=True, verbose_name="merged lead")),
                ("lead_created_at", models.DateTimeField(verbose_name="created")),
                ("identities", models.JSONField(verbose_name="identities")),
                ("contacts", models.JSONField(verbose_name="contacts")),
                ("newest_contact_id", models.PositiveBigIntegerField(verbose_name="newest contact at that time")),
                ("at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="time")),
                ("actor_name", models.CharField(blank=True, max_length=150, verbose_name="by")),
                ("undone_at", models.DateTimeField(null=True, verbose_name="undone")),
            ],
            options={
                "verbose_name": "merge of leads",
                "verbose_name_plural": "merges of leads",
                "ordering": ["-id"],
                "default_permissions": (),
            },
        ),
    ]
