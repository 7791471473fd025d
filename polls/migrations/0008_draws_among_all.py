"""Draws among everybody who voted: entries and draws whose option is NULL.

The functions of 0005 learn what to do without an option. For an option they compute what they computed before: the
codes, hashes and winners of released draws stay verifiable.
"""

import django.db.models.deletion
from django.db import migrations, models

from polls.migrations.sql import function

CHANGED = ("polls_entry_code", "polls_freeze_entries", "polls_draw_winner")

# Draws are never removed: where there is one of the new kind, there is no way back.
REFUSE_TO_LOSE = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM polls_entries WHERE option_id IS NULL)
        OR EXISTS (SELECT FROM polls_draw WHERE option_id IS NULL)
    THEN
        PERFORM polls_refuse('polls_draws_kept',
            'This cannot be reversed: there are draws among everybody who voted, and a draw is never removed');
    END IF;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = (("polls", "0007_pool_page"),)
    operations = (
        migrations.AlterField(
            model_name="entries",
            name="option",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="polls.option",
            ),
        ),
        migrations.AlterField(
            model_name="draw",
            name="option",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="polls.option",
            ),
        ),
        migrations.AddConstraint(
            model_name="entries",
            # NULL differs from NULL in polls_entries_once, and NULLS NOT DISTINCT begins with PostgreSQL 15.
            constraint=models.UniqueConstraint(
                condition=models.Q(("option__isnull", True)), fields=("poll",), name="polls_entries_once_among_all"
            ),
        ),
        migrations.RunSQL(
            [function(name, "0008") for name in CHANGED],
            [REFUSE_TO_LOSE, *(function(name, "0005") for name in CHANGED)],
        ),
    )
