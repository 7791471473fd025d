"""Draws beyond dispute: bound to a secret, from frozen entries, computed by the database itself.

A new draw names the poll, the option, the number, the public value and the reason. Triggers compute everything that
a chooser could bend, so that the right to write rows is not enough to choose the winner. docs/draws.md explains it,
and polls/draws.py computes the same in Python, for verify_poll and for anyone who wants to check.
"""

from django.db import migrations

from polls.migrations.sql import function

SECRETS = [
    function("polls_hash_again", "0005"),
    function("polls_hmac_pad", "0005"),
    function("polls_hmac", "0005"),
    """
    -- The secret is the end of a chain of 100 links. Draw number n reveals the link from which n hashes lead to the
    -- commitment: it says nothing about the next draw's. The end itself is never revealed.
    ALTER TABLE polls_secret
        ADD CONSTRAINT polls_secret_poll FOREIGN KEY (poll_id) REFERENCES polls_poll (id) ON DELETE CASCADE,
        ADD CONSTRAINT polls_secret_committed
            CHECK (octet_length(secret) = 32 AND commitment = encode(polls_hash_again(secret, 100), 'hex'));
    """,
    function("polls_random_bytes", "0005"),
    function("polls_make_secret", "0005"),
    """
    CREATE TRIGGER polls_poll_secret AFTER INSERT ON polls_poll
        FOR EACH ROW EXECUTE FUNCTION polls_make_secret();
    CREATE TRIGGER polls_secret_append_only BEFORE UPDATE ON polls_secret
        FOR EACH ROW EXECUTE FUNCTION polls_append_only();
    CREATE TRIGGER polls_secret_kept BEFORE DELETE ON polls_secret
        FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION polls_append_only();

    INSERT INTO polls_secret (poll_id, secret, commitment)
    SELECT id, made.secret, encode(polls_hash_again(made.secret, 100), 'hex')
      FROM (SELECT id, polls_random_bytes() AS secret FROM polls_poll) AS made;
    """,
]

ENTRIES = [
    function("polls_entry_code", "0005"),
    """
    ALTER TABLE polls_entries
        ALTER COLUMN codes SET STORAGE EXTERNAL, -- hashes do not compress, and a slice is then read without the rest
        ADD CONSTRAINT polls_entries_option_of_poll FOREIGN KEY (poll_id, option_id)
            REFERENCES polls_option (poll_id, id);
    """,
    function("polls_hold_closed", "0005"),
    function("polls_freeze_entries", "0005"),
    function("polls_log_entries", "0005"),
    """
    CREATE TRIGGER polls_entries_freeze BEFORE INSERT ON polls_entries
        FOR EACH ROW EXECUTE FUNCTION polls_freeze_entries();
    CREATE TRIGGER polls_entries_log AFTER INSERT ON polls_entries
        FOR EACH ROW EXECUTE FUNCTION polls_log_entries();
    CREATE TRIGGER polls_entries_append_only BEFORE UPDATE OR DELETE ON polls_entries
        FOR EACH ROW EXECUTE FUNCTION polls_append_only();
    """,
]

WINNER = [
    function("polls_draw_winner", "0005"),
    """
    CREATE TRIGGER polls_draw_compute BEFORE INSERT ON polls_draw
        FOR EACH ROW EXECUTE FUNCTION polls_draw_winner();
    """,
    function("polls_guard_drawn", "0005"),
    """
    CREATE TRIGGER polls_poll_guard_drawn BEFORE UPDATE ON polls_poll
        FOR EACH ROW WHEN (OLD.closes_at IS DISTINCT FROM NEW.closes_at) EXECUTE FUNCTION polls_guard_drawn();
    """,
]

REVERSE = """
DROP FUNCTION polls_guard_drawn, polls_draw_winner, polls_log_entries, polls_freeze_entries, polls_hold_closed,
    polls_entry_code, polls_make_secret, polls_random_bytes, polls_hmac, polls_hmac_pad CASCADE;
ALTER TABLE polls_entries DROP CONSTRAINT polls_entries_option_of_poll;
ALTER TABLE polls_secret DROP CONSTRAINT polls_secret_poll, DROP CONSTRAINT polls_secret_committed;
DROP TRIGGER polls_secret_append_only ON polls_secret;
DROP TRIGGER polls_secret_kept ON polls_secret;
DROP TRIGGER polls_entries_append_only ON polls_entries;
DROP FUNCTION polls_hash_again;
DELETE FROM polls_secret;
"""


class Migration(migrations.Migration):
    dependencies = (("polls", "0004_trust"),)
    operations = (migrations.RunSQL([*SECRETS, *ENTRIES, *WINNER], REVERSE),)
