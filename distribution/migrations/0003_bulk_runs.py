
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('distribution', '0002_where_records_begin'),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('work', models.CharField(max_length=40)),
                ('receiver_id', models.PositiveBigIntegerField(null=True)),
                ('contacts', models.CharField(blank=True, max_length=40)),
                ('identity', models.CharField(max_length=150)),
                ('reason', models.CharField(blank=True, max_length=500, verbose_name='reason')),
                ('began_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='begun')),
            ],
            options={
                'verbose_name': 'bulk action',
                'verbose_name_plural': 'bulk actions',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='BulkRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('work', models.CharField(max_length=40)),
                ('target_id', models.PositiveBigIntegerField()),
                ('had_by_id', models.PositiveBigIntegerField(null=True)),
                ('taken_up_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(blank=True, choices=[('', 'to do'), ('changed', 'done'), ('unchanged', 'was so already'), ('skipped', 'changed by others meanwhile'), ('refused', 'refused')], default='', max_length=10)),
                ('receiver_id', models.PositiveBigIntegerField(null=True)),
                ('explanation', models.CharField(blank=True, max_length=500)),
                ('run', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='rows', to='distribution.bulkrun')),
            ],
            options={
                'verbose_name': 'row of a bulk action',
                'verbose_name_plural': 'rows of bulk actions',
                'ordering': ['id'],
                'indexes': [models.Index(models.F('run'), models.F('outcome'), models.F('id'), name='bulk_row_to_do')],
                'constraints': [models.UniqueConstraint(models.F('run'), models.F('work'), models.F('target_id'), name='bulk_row_once')],
            },
        ),
    ]
