"""A trail of events, and corrections that show: with them a poll can be checked afterwards."""

from django.db import migrations

from polls.migrations.sql import function

TRAIL = [
    function("polls_actor", "0004"),
    function("polls_append_only", "0004"),
    """
    CREATE TRIGGER polls_event_append_only BEFORE UPDATE OR DELETE ON polls_event
        FOR EACH ROW EXECUTE FUNCTION polls_append_only();
    CREATE TRIGGER polls_correction_append_only BEFORE UPDATE OR DELETE ON polls_correction
        FOR EACH ROW EXECUTE FUNCTION polls_append_only();
    CREATE TRIGGER polls_draw_append_only BEFORE UPDATE OR DELETE ON polls_draw
        FOR EACH ROW EXECUTE FUNCTION polls_append_only();
    """,
    function("polls_log_change", "0004"),
    """
    CREATE TRIGGER polls_poll_log AFTER INSERT OR UPDATE OR DELETE ON polls_poll
        FOR EACH ROW EXECUTE FUNCTION polls_log_change('poll', 'id');
    CREATE TRIGGER polls_option_log AFTER INSERT OR UPDATE OR DELETE ON polls_option
        FOR EACH ROW EXECUTE FUNCTION polls_log_change('option', 'poll_id');
    CREATE TRIGGER polls_invite_log AFTER INSERT OR UPDATE OR DELETE ON polls_invite
        FOR EACH ROW EXECUTE FUNCTION polls_log_change('invite', 'poll_id');
    CREATE TRIGGER polls_draw_log AFTER INSERT ON polls_draw
        FOR EACH ROW EXECUTE FUNCTION polls_log_change('draw', 'poll_id');
    """,
]

CONTENT = [
    function("polls_guard_content", "0004"),
    """
    CREATE TRIGGER polls_poll_guard_content BEFORE UPDATE ON polls_poll
        FOR EACH ROW WHEN ((OLD.title, OLD.description, OLD.draw_source)
            IS DISTINCT FROM (NEW.title, NEW.description, NEW.draw_source))
        EXECUTE FUNCTION polls_guard_content();

    DROP TRIGGER polls_option_guard ON polls_option;
    CREATE TRIGGER polls_option_guard BEFORE INSERT OR DELETE ON polls_option
        FOR EACH ROW EXECUTE FUNCTION polls_guard_option();
    CREATE TRIGGER polls_option_guard_update BEFORE UPDATE ON polls_option
        FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION polls_guard_option();
    """,
    function("polls_note_correction", "0004"),
    function("polls_correct", "0004"),
    """
    CREATE TRIGGER polls_correction_note BEFORE INSERT ON polls_correction
        FOR EACH ROW EXECUTE FUNCTION polls_note_correction();
    CREATE TRIGGER polls_correction_apply AFTER INSERT ON polls_correction
        FOR EACH ROW EXECUTE FUNCTION polls_correct();
    """,
    function("polls_looks", "0004"),
    """
    CREATE UNIQUE INDEX polls_option_looks ON polls_option (poll_id, polls_looks(text));
    """,
    function("polls_content_hash", "0004"),
]

REVERSE = """
DROP FUNCTION polls_looks, polls_note_correction, polls_content_hash, polls_correct, polls_guard_content,
    polls_log_change, polls_append_only, polls_actor CASCADE;
DROP TRIGGER IF EXISTS polls_option_guard_update ON polls_option;
DROP TRIGGER IF EXISTS polls_option_guard ON polls_option;
CREATE TRIGGER polls_option_guard BEFORE INSERT OR UPDATE OR DELETE ON polls_option
    FOR EACH ROW EXECUTE FUNCTION polls_guard_option();
"""


class Migration(migrations.Migration):
    dependencies = (("polls", "0003_trust_tables"),)
    operations = (migrations.RunSQL([*TRAIL, *CONTENT], REVERSE),)
