"""Checkpoints say what the poll asks, and votes do not wait for them."""

import django.contrib.postgres.fields
from django.db import migrations, models

from polls.migrations.sql import function

# The chain of the checkpoints begins anew: those of before say less, and were never shown.
FORGET = """
    ALTER TABLE polls_checkpoint DISABLE TRIGGER polls_checkpoint_append_only;
    DELETE FROM polls_checkpoint;
    ALTER TABLE polls_checkpoint ENABLE TRIGGER polls_checkpoint_append_only;
"""

REFUSE = """
    DO $$
    BEGIN
        IF EXISTS (SELECT FROM polls_checkpoint) THEN
            PERFORM polls_refuse('polls_checkpoint_published',
                'This cannot be reversed: checkpoints were published');
        END IF;
    END
    $$
"""


class Migration(migrations.Migration):
    dependencies = (("polls", "0013_voter_key"),)
    operations = (
        migrations.RunSQL(FORGET, migrations.RunSQL.noop),
        migrations.AddField(
            model_name="checkpoint",
            name="content_hash",
            field=models.CharField(max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkpoint",
            name="option_ids",
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkpoint",
            name="entries",
            field=models.IntegerField(),
            preserve_default=False,
        ),
        migrations.RunSQL(
            [function("polls_checkpoint_due", "0014"), function("polls_take_checkpoint", "0014")],
            [REFUSE, function("polls_take_checkpoint", "0009"), "DROP FUNCTION polls_checkpoint_due"],
        ),
    )
