"""What each lead was known by becomes a row; broken off, the next attempt stores the rest."""

from django.db import migrations
from django.db.models import Max

LEADS_AT_A_TIME = 10_000

# The condition also tells SQLite that ON CONFLICT belongs to the INSERT.
STORE = """
INSERT INTO leads_identity (lead_id, kind, value)
SELECT id, 'external_id', external_id FROM leads_lead WHERE id > %s AND id <= %s
ON CONFLICT DO NOTHING
"""


def store_identities(apps, schema_editor):
    last = apps.get_model("leads", "Lead").objects.aggregate(last=Max("pk"))["last"] or 0
    with schema_editor.connection.cursor() as cursor:
        for first in range(0, last, LEADS_AT_A_TIME):
            cursor.execute(STORE, [first, first + LEADS_AT_A_TIME])


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0009_identities")]

    operations = [migrations.RunPython(store_identities, migrations.RunPython.noop)]
