from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("polls", "0006_short_address"),
    ]

    operations = [
        migrations.CreateModel(
            name="Pool",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ],
            options={
                "verbose_name": "connection pool",
                "verbose_name_plural": "connection pool",
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
    ]
