from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0012_contacts_alike")]

    operations = [
        migrations.AddField(
            model_name="lead",
            name="erased_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="erased"),
        ),
        migrations.AddField(
            model_name="lead",
            name="erased_by",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=150, verbose_name="by"
            ),
        ),
    ]
