"""Votes are cast by functions, which each connection plans once."""

from django.db import migrations

from polls.migrations.sql import function


class Migration(migrations.Migration):
    dependencies = (("polls", "0016_database_defences"),)
    operations = (
        migrations.RunSQL(
            [function("polls_cast_vote", "0017"), function("polls_cast_invited_vote", "0017")],
            "DROP FUNCTION polls_cast_vote, polls_cast_invited_vote",
        ),
    )
