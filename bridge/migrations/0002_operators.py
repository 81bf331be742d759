import bridge.models.backends
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


def one_target_each(apps, schema_editor):
    """What an alias said itself so far becomes its only target."""
    alias_rows = apps.get_model("bridge", "ModelAlias").objects.all()
    target = apps.get_model("bridge", "AliasTarget")
    target.objects.bulk_create(
        target(alias_id=row.pk, backend_id=row.backend_id, model=row.model) for row in alias_rows
    )


class Migration(migrations.Migration):

    dependencies = [
        ('bridge', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Price',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(help_text="The model's name at the backend, or a glob.", max_length=300, unique=True)),
                ('input_per_mtok', models.DecimalField(decimal_places=6, help_text='USD per million tokens.', max_digits=12, validators=[django.core.validators.MinValueValidator(0)], verbose_name='input')),
                ('output_per_mtok', models.DecimalField(decimal_places=6, help_text='USD per million tokens.', max_digits=12, validators=[django.core.validators.MinValueValidator(0)], verbose_name='output')),
                ('cache_read_per_mtok', models.DecimalField(blank=True, decimal_places=6, help_text='USD per million tokens.', max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='cache read')),
                ('cache_write_per_mtok', models.DecimalField(blank=True, decimal_places=6, help_text='USD per million tokens.', max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='cache write')),
            ],
            options={
                'ordering': ['model'],
            },
        ),
        migrations.AddField(
            model_name='backend',
            name='breaker_mode',
            field=models.CharField(choices=[('automatic', 'Automatic'), ('open', 'Forced open'), ('closed', 'Forced closed')], default='automatic', help_text='Forced open: nothing is sent. Forced closed: failures do not open it.', max_length=10, verbose_name='circuit breaker'),
        ),
        migrations.AddField(
            model_name='backend',
            name='idle_seconds',
            field=models.PositiveIntegerField(blank=True, help_text='Longest silence in a running stream. Empty: as IDLE_TIMEOUT says.', null=True, validators=[django.core.validators.MinValueValidator(1)]),
        ),
        migrations.AddField(
            model_name='backend',
            name='weight',
            field=models.PositiveIntegerField(default=1, help_text='Share of the requests, among backends of one position that list a model.'),
        ),
        migrations.AddField(
            model_name='discoveredmodel',
            name='context_override',
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name='context'),
        ),
        migrations.AddField(
            model_name='discoveredmodel',
            name='evidence',
            field=models.JSONField(blank=True, default=list, help_text='Each check of the probe, with what showed it.'),
        ),
        migrations.AddField(
            model_name='discoveredmodel',
            name='features',
            field=models.JSONField(blank=True, default=list, help_text='As its list names them.'),
        ),
        migrations.AddField(
            model_name='discoveredmodel',
            name='max_output_override',
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name='longest answer'),
        ),
        migrations.AddField(
            model_name='discoveredmodel',
            name='modalities',
            field=models.JSONField(blank=True, default=list, help_text='What it can be shown.'),
        ),
        migrations.AddField(
            model_name='discoveredmodel',
            name='prices',
            field=models.JSONField(blank=True, default=dict, help_text='USD per million tokens, as its list tells them.'),
        ),
        migrations.AddField(
            model_name='discoveredmodel',
            name='probed',
            field=models.JSONField(blank=True, default=dict, help_text='What the probe found, by the names of the facts.'),
        ),
        migrations.AddField(
            model_name='discoveredmodel',
            name='probed_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='discoveredmodel',
            name='reasoning_override',
            field=models.BooleanField(blank=True, null=True, verbose_name='thinking'),
        ),
        migrations.AddField(
            model_name='discoveredmodel',
            name='tools_override',
            field=models.BooleanField(blank=True, null=True, verbose_name='tools'),
        ),
        migrations.AddField(
            model_name='discoveredmodel',
            name='vision_override',
            field=models.BooleanField(blank=True, null=True, verbose_name='images'),
        ),
        migrations.AddField(
            model_name='modelalias',
            name='max_tokens',
            field=models.PositiveIntegerField(blank=True, help_text='Tokens. A request that asks for more gets this many. Empty: as asked.', null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='longest answer'),
        ),
        migrations.AddField(
            model_name='modelalias',
            name='system_prefix',
            field=models.TextField(blank=True, default='', help_text='Put in front of every system prompt.'),
        ),
        migrations.AddField(
            model_name='modelalias',
            name='temperature',
            field=models.FloatField(blank=True, help_text='From 0 to 2, whatever was asked. Empty: as asked.', null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(2)]),
        ),
        migrations.AddField(
            model_name='modelalias',
            name='thinking',
            field=models.CharField(blank=True, choices=[('off', 'off'), ('on', 'on'), ('low', 'low'), ('medium', 'medium'), ('high', 'high'), ('max', 'max')], default='', help_text='Whether and how hard the model thinks, whatever was asked. Empty: as asked.', max_length=10),
        ),
        migrations.AlterField(
            model_name='backend',
            name='credential',
            field=models.CharField(blank=True, default='', help_text="env:NAME takes the key from that environment variable; a key is stored encrypted. Empty: callers' keys are passed on.", max_length=2000, validators=[bridge.models.backends.usable_credential], verbose_name='API key'),
        ),
        migrations.AlterField(
            model_name='backend',
            name='position',
            field=models.PositiveIntegerField(default=0, help_text='Backends are asked for a model in this order; equal ones share by weight.'),
        ),
        migrations.AlterField(
            model_name='discoveredmodel',
            name='dialect',
            field=models.CharField(blank=True, choices=bridge.models.backends.model_dialects, default='', help_text="The family of this model alone, where it differs from its backend's.", max_length=20),
        ),
        migrations.AlterField(
            model_name='discoveredmodel',
            name='inline_thinking',
            field=models.CharField(blank=True, choices=[('off', 'No'), ('tags', 'Between <think> tags'), ('open', 'From the start on')], default='', help_text="Whether thinking stands in the text. Empty: known from the model's name.", max_length=5),
        ),
        migrations.CreateModel(
            name='AliasTarget',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(help_text="The model's name at the backend.", max_length=300)),
                ('weight', models.PositiveIntegerField(default=1, help_text='Share of the requests among targets of one position.')),
                ('position', models.PositiveIntegerField(default=0, help_text='0 is asked first; higher ones when those before cannot answer.')),
                ('alias', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='targets', to='bridge.modelalias')),
                ('backend', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='targets', to='bridge.backend')),
            ],
            options={
                'verbose_name': 'target',
                'ordering': ['position', '-weight', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='BreakerState',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('failures', models.PositiveIntegerField(default=0)),
                ('opened_at', models.DateTimeField(null=True)),
                ('last_error', models.CharField(blank=True, max_length=500)),
                ('last_error_at', models.DateTimeField(null=True)),
                ('number', models.PositiveBigIntegerField(default=0)),
                ('backend', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='breaker', to='bridge.backend')),
            ],
        ),
        migrations.CreateModel(
            name='Change',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('actor', models.CharField(max_length=150, verbose_name='by')),
                ('kind', models.CharField(max_length=20)),
                ('object_id', models.BigIntegerField()),
                ('label', models.CharField(max_length=300, verbose_name='what')),
                ('before', models.JSONField(null=True)),
                ('after', models.JSONField(null=True)),
            ],
            options={
                'ordering': ['-pk'],
                'indexes': [models.Index(fields=['kind', 'object_id'], name='change_of_one_row')],
            },
        ),
        migrations.RunPython(one_target_each, migrations.RunPython.noop),
    ]
