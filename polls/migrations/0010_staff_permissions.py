"""Permissions for what staff do with polls of others, which being staff allowed before.

No one is given one: an administrator decides who may see what. The migration says whom it concerns.
"""

import sys
from typing import Any

from django.conf import settings
from django.db import migrations

NOTE = """
Being staff no longer opens the polls of others. These users have no permission for them yet: {names}.
In the admin, give each what they need: "Can manage polls of others", "Can see hidden results of polls of others",
"Can see who chose what in named polls of others".
"""


def tell_whom_it_concerns(apps: Any, schema_editor: Any) -> None:
    """Name the users who were able to manage every poll until now, and are not superusers."""
    users = apps.get_model(settings.AUTH_USER_MODEL).objects.using(schema_editor.connection.alias)
    staff = users.filter(is_staff=True, is_superuser=False, is_active=True).order_by("pk")
    names = [user.username for user in staff[:20]]
    if names:
        more = staff.count() - len(names)
        sys.stderr.write(NOTE.format(names=", ".join(names) + (f" and {more} more" if more else "")))


class Migration(migrations.Migration):
    dependencies = (
        ("polls", "0009_accountability"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    )
    operations = (
        migrations.AlterModelOptions(
            name="poll",
            options={
                "ordering": ("-created_at", "-id"),
                "permissions": (
                    ("manage_poll", "Can manage polls of others"),
                    ("view_results", "Can see hidden results of polls of others"),
                    ("view_choices", "Can see who chose what in named polls of others"),
                ),
            },
        ),
        migrations.RunPython(tell_whom_it_concerns, migrations.RunPython.noop),
    )
