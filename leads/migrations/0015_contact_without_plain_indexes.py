import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0014_indexes_of_lists"), ("operators", "0004_account")]

    operations = [
        migrations.RemoveIndex(model_name="contact", name="contact_arrival"),
        migrations.AlterField(
            model_name="contact",
            name="lead",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="contacts",
                to="leads.lead",
                verbose_name="lead",
            ),
        ),
        migrations.AlterField(
            model_name="contact",
            name="operator",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="contacts",
                to="operators.operator",
                verbose_name="operator",
            ),
        ),
    ]
