from django.db import migrations


class Migration(migrations.Migration):
    """A migration of its own, since PostgreSQL alters no table with rows of the same transaction."""

    dependencies = [("bridge", "0002_operators")]

    operations = [
        migrations.RemoveField(model_name="modelalias", name="backend"),
        migrations.RemoveField(model_name="modelalias", name="model"),
    ]
