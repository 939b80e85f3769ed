import django.core.validators
import re
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('leads', '0006_contact_source_without_index'),
    ]

    operations = [
        migrations.AddField(
            model_name='source',
            name='link_template',
            field=models.CharField(blank=True, db_default='', default='', help_text='Opens the chat with a lead: https://t.me/{external_id} or tg://resolve?domain={external_id}, say.', max_length=255, validators=[django.core.validators.RegexValidator(re.compile('^(https|tg)://[A-Za-z0-9.\\-]+(:[0-9]+)?[/?#][A-Za-z0-9._~:/?#@!$&()*+,;=%\\-]*\\{external_id\\}[A-Za-z0-9._~:/?#@!$&()*+,;=%\\-]*\\Z'), 'Type an address such as https://t.me/{external_id} or tg://resolve?domain={external_id}: https or tg only, with {external_id} once, after the host.')], verbose_name='link to the chat'),
        ),
    ]
