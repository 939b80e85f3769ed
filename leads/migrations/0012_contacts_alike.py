from django.db import migrations, models
from django.db.models.functions import Lower, Replace, Right

from crm_project.postgresql.indexes import AddIndexInUse


def digits():
    expression = models.F("phone")
    for sign in " -().":
        expression = Replace(expression, models.Value(sign), models.Value(""))
    return expression


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0011_merges")]

    operations = [
        AddIndexInUse(
            model_name="contact",
            index=models.Index(Right(digits(), 7), name="contact_phone", condition=~models.Q(phone="")),
        ),
        AddIndexInUse(
            model_name="contact",
            index=models.Index(Lower("email"), name="contact_email", condition=~models.Q(email="")),
        ),
    ]
