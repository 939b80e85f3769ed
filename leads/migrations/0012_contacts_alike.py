from django.db import migrations, models
from django.db.models.functions import Lower

from crm_project.postgresql.indexes import AddIndexInUse
from leads.identity import EndOfPhone


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0011_merges")]

    operations = [
        AddIndexInUse(
            model_name="contact",
            index=models.Index(EndOfPhone("phone"), name="contact_phone", condition=~models.Q(phone="")),
        ),
        AddIndexInUse(
            model_name="contact",
            index=models.Index(Lower("email"), name="contact_email", condition=~models.Q(email="")),
        ),
    ]
