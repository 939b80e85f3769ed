import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0005_contacts_by_arrival")]

    operations = [
        migrations.AlterField(
            model_name="contact",
            name="source",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="contacts",
                to="leads.source",
                verbose_name="source",
            ),
        ),
    ]
