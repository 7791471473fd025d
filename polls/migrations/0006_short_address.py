import django.db.models.functions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("polls", "0005_draws"),)
    operations = (
        migrations.AddIndex(
            model_name="poll",
            index=models.Index(django.db.models.functions.Right("slug", 10), name="polls_poll_code"),
        ),
    )
