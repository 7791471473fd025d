"""The public record counts invitations without names, and no archive ends a locked poll early."""

from django.db import migrations, models

from polls.migrations.sql import function

INVITES = [
    function("polls_log_invites", "0012"),
    """
    CREATE TRIGGER polls_invite_count_insert AFTER INSERT ON polls_invite REFERENCING NEW TABLE AS new_invites
        FOR EACH STATEMENT EXECUTE FUNCTION polls_log_invites();
    CREATE TRIGGER polls_invite_count_update AFTER UPDATE ON polls_invite
        REFERENCING OLD TABLE AS old_invites NEW TABLE AS new_invites
        FOR EACH STATEMENT EXECUTE FUNCTION polls_log_invites();
    CREATE TRIGGER polls_invite_count_delete AFTER DELETE ON polls_invite REFERENCING OLD TABLE AS old_invites
        FOR EACH STATEMENT EXECUTE FUNCTION polls_log_invites();

    -- What was done so far, minute by minute. The reverse keeps these events, which are append-only.
    INSERT INTO polls_event (poll_id, at, actor, role, action, details)
    SELECT poll_id, min(at), 'update of the site', '', 'invites ' || done,
           jsonb_build_object('count', jsonb_build_array(NULL, count(*)))
      FROM polls_event AS event
     CROSS JOIN LATERAL (
        SELECT CASE WHEN action = 'invite added' THEN 'added'
                    WHEN action = 'invite removed' THEN 'removed'
                    WHEN details ? 'issued_at' THEN 'replaced'
                    WHEN details -> 'revoked_at' ->> 1 IS NOT NULL THEN 'revoked'
                    ELSE 'changed' END AS done
     ) AS what
     WHERE action LIKE 'invite %'
       AND NOT EXISTS (SELECT FROM polls_event AS said
                        WHERE said.poll_id = event.poll_id AND said.action LIKE 'invites %')
     GROUP BY poll_id, done, date_trunc('minute', at)
     ORDER BY min(id);
    """,
]

LOCKED = """
    CREATE TRIGGER polls_poll_guard_locked_archive BEFORE UPDATE ON polls_poll
        FOR EACH ROW WHEN (OLD.locked AND NEW.archived_at IS DISTINCT FROM OLD.archived_at
                           AND OLD.closes_at > clock_timestamp())
        EXECUTE FUNCTION polls_guard_locked();
    CREATE TRIGGER polls_invite_guard_locked_move BEFORE UPDATE ON polls_invite
        FOR EACH ROW WHEN (OLD.poll_id <> NEW.poll_id) EXECUTE FUNCTION polls_guard_invited();
"""

REVERSE = """
    DROP TRIGGER polls_poll_guard_locked_archive ON polls_poll;
    DROP TRIGGER polls_invite_guard_locked_move ON polls_invite;
    DROP TRIGGER polls_invite_count_insert ON polls_invite;
    DROP TRIGGER polls_invite_count_update ON polls_invite;
    DROP TRIGGER polls_invite_count_delete ON polls_invite;
    DROP FUNCTION polls_log_invites;
"""


class Migration(migrations.Migration):
    dependencies = (("polls", "0010_staff_permissions"),)
    operations = (
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                name="polls_event_record",
                fields=["poll", "id"],
                condition=models.Q(("action__startswith", "invite "), _negated=True),
            ),
        ),
        migrations.AddIndex(
            model_name="journal",
            index=models.Index(
                name="polls_journal_removed", fields=["poll"], condition=models.Q(("removed__isnull", False))
            ),
        ),
        migrations.RunSQL([*INVITES, LOCKED], REVERSE),
    )
