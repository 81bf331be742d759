
import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bridge', '0004_ledger'),
    ]

    operations = [
        migrations.AddField(
            model_name='apikey',
            name='allowed',
            field=models.TextField(blank=True, default='', help_text='Names or globs as clients send them, one a line. Empty: all.', verbose_name='allowed models'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='budget_usd',
            field=models.DecimalField(blank=True, decimal_places=4, help_text='USD. When it is spent, requests are refused until the period ends.', max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='budget'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='concurrent',
            field=models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='requests at once'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='former_digest',
            field=models.CharField(blank=True, default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='apikey',
            name='former_until',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='apikey',
            name='owner',
            field=models.CharField(blank=True, default='', help_text='Who to ask about it.', max_length=200),
        ),
        migrations.AddField(
            model_name='apikey',
            name='period',
            field=models.CharField(choices=[('day', 'a day (UTC)'), ('month', 'a month (UTC)')], default='month', max_length=5, verbose_name='budget is for'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='rpm',
            field=models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='requests a minute'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='sample_percent',
            field=models.PositiveSmallIntegerField(default=0, help_text="Percent of the requests whose prompt and answer are kept, credentials removed, for the request's page. Tell the key's holder.", validators=[django.core.validators.MaxValueValidator(100)], verbose_name='keep bodies of'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='tpm',
            field=models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='tokens a minute'),
        ),
        migrations.AlterField(
            model_name='apikey',
            name='name',
            field=models.CharField(help_text='As reports call it.', max_length=100, unique=True),
        ),
    ]
