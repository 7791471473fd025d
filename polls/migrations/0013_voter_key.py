"""Under which VOTER_KEY the votes of a poll stand.

Votes from before stand under SECRET_KEY, and under the oldest of its fallbacks where there are any. They are recorded
so, whatever VOTER_KEY is: a site that sets it to something new refuses votes in these polls, and no one votes twice.
"""

import django.db.models.deletion
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from polls.migrations.sql import function
from polls.voters import key_id

CLAIM_POLLS_WITH_VOTES = """
INSERT INTO polls_pollkey (poll_id, key_id)
SELECT id, %s FROM polls_poll AS poll WHERE EXISTS (SELECT FROM polls_vote AS vote WHERE vote.poll_id = poll.id)
"""


def claim_polls_with_votes(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    secret_keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(CLAIM_POLLS_WITH_VOTES, [key_id(secret_keys[-1])])


class Migration(migrations.Migration):
    dependencies = (("polls", "0012_record"),)
    operations = (
        migrations.CreateModel(
            name="PollKey",
            fields=[
                (
                    "poll",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="polls.poll",
                    ),
                ),
                ("key_id", models.CharField(max_length=16)),
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE polls_pollkey ADD CONSTRAINT polls_pollkey_poll"
            " FOREIGN KEY (poll_id) REFERENCES polls_poll (id) ON DELETE CASCADE",
            "ALTER TABLE polls_pollkey DROP CONSTRAINT polls_pollkey_poll",
        ),
        migrations.RunSQL(
            [
                function("polls_check_voter_key", "0013"),
                # Once for each statement, and not at all where psql or a bulk load names no key.
                """
                CREATE TRIGGER polls_vote_check_voter_key AFTER INSERT ON polls_vote
                    REFERENCING NEW TABLE AS written FOR EACH STATEMENT
                    WHEN (coalesce(current_setting('polls.key_id', true), '') <> '')
                    EXECUTE FUNCTION polls_check_voter_key();
                """,
            ],
            "DROP FUNCTION polls_check_voter_key CASCADE",
        ),
        migrations.RunPython(claim_polls_with_votes, migrations.RunPython.noop),
    )
