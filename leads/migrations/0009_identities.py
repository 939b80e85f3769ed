import django.db.models.deletion
from django.db import migrations, models

KINDS = ["external_id", "phone", "email"]
CHOICES = [("external_id", "id in the bot, as it is"), ("phone", "phone"), ("email", "e-mail")]


class Migration(migrations.Migration):
    dependencies = [("leads", "0008_contact_sequence")]

    operations = [
        migrations.CreateModel(
            name="Identity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=CHOICES, max_length=20, verbose_name="kind")),
                ("value", models.CharField(max_length=255, verbose_name="value")),
                (
                    "lead",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="identities",
                        to="leads.lead",
                        verbose_name="lead",
                    ),
                ),
            ],
            options={
                "verbose_name": "identity",
                "verbose_name_plural": "identities",
                "ordering": ["id"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=["value", "kind"], name="identity_of_one_lead"),
                    models.CheckConstraint(condition=~models.Q(value=""), name="identity_has_a_value"),
                    models.CheckConstraint(condition=models.Q(kind__in=KINDS), name="identity_of_a_kind"),
                ],
            },
        ),
        migrations.AddField(
            model_name="source",
            name="identified_by",
            field=models.CharField(
                choices=CHOICES,
                db_default="external_id",
                default="external_id",
                help_text=(
                    "What the external ids of this source are. "
                    "Phones and e-mails are the same lead however they are written."
                ),
                max_length=20,
                verbose_name="identified by",
            ),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.CheckConstraint(
                condition=models.Q(identified_by__in=KINDS), name="source_identified_by_a_kind"
            ),
        ),
    ]
