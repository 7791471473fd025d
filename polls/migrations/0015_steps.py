"""Counts in steps: while few have voted in an anonymous poll, no single vote or change shows."""

import django.db.models.deletion
from django.db import migrations, models

from polls.migrations.sql import function

FORWARD = [
    function("polls_take_step", "0015"),
    function("polls_forget_steps", "0015"),
    function("polls_guard_secret", "0015"),
    """
    CREATE TRIGGER polls_step_take BEFORE INSERT ON polls_step
        FOR EACH ROW EXECUTE FUNCTION polls_take_step();
    CREATE TRIGGER polls_step_append_only BEFORE UPDATE OR DELETE ON polls_step
        FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION polls_append_only();
    CREATE TRIGGER polls_option_forget_steps_insert AFTER INSERT ON polls_option REFERENCING NEW TABLE AS touched
        FOR EACH STATEMENT EXECUTE FUNCTION polls_forget_steps();
    CREATE TRIGGER polls_option_forget_steps_delete AFTER DELETE ON polls_option REFERENCING OLD TABLE AS touched
        FOR EACH STATEMENT EXECUTE FUNCTION polls_forget_steps();
    CREATE TRIGGER polls_poll_guard_secret BEFORE UPDATE ON polls_poll
        FOR EACH ROW WHEN (NOT OLD.named AND OLD.audience = 'invite'
                           AND (OLD.results IN ('closed', 'owner')) <> (NEW.results IN ('closed', 'owner')))
        EXECUTE FUNCTION polls_guard_secret();
    """,
]
REVERSE = """
    DROP TRIGGER polls_poll_guard_secret ON polls_poll;
    DROP TRIGGER polls_option_forget_steps_insert ON polls_option;
    DROP TRIGGER polls_option_forget_steps_delete ON polls_option;
    DROP TRIGGER polls_step_append_only ON polls_step;
    DROP TRIGGER polls_step_take ON polls_step;
    DROP FUNCTION polls_take_step, polls_forget_steps, polls_guard_secret;
"""


class Migration(migrations.Migration):
    dependencies = (("polls", "0014_checkpoints"),)
    operations = (
        migrations.CreateModel(
            name="Step",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "poll", "voters", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "poll",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="polls.poll",
                    ),
                ),
                ("voters", models.BigIntegerField()),
                ("votes", models.JSONField()),
            ],
        ),
        migrations.RunSQL([*FORWARD], REVERSE),
    )
