"""The promises that the database keeps against every writer: psql, the admin and the pages.

The rules of a vote are checked after the statement that writes it, on its transition table: a
trigger per row would touch the same tally row once per vote, and in one transaction that is
quadratic (300,000 votes: 2 s per statement, more than 10 minutes per row).

Lock, then check. A vote takes its poll's advisory lock, shared, and only then reads the poll: each
statement of a volatile PL/pgSQL function has a snapshot of its own, so it sees what a closer that held
the lock has committed. A change of a poll's window, rules or options takes the same lock exclusively:
it waits for the votes under way (milliseconds) and then sees them.

Every refusal carries the name of its rule as the constraint's name; polls.queries turns names into errors.
"""

from django.db import migrations

from polls.migrations.sql import function

SHARED = [
    function("polls_state", "0002"),
    function("polls_lock_key", "0002"),
    function("polls_refuse", "0002"),
    function("polls_hold_votes", "0002"),
]

VOTES = [
    """
    ALTER TABLE polls_vote ADD CONSTRAINT polls_vote_choices_flat CHECK (coalesce(array_ndims(choices), 1) = 1);
    """,
    function("polls_check_votes", "0002"),
    function("polls_pin_vote", "0002"),
    """
    CREATE TRIGGER polls_vote_pin BEFORE UPDATE ON polls_vote
        FOR EACH ROW WHEN (OLD.id <> NEW.id OR OLD.poll_id <> NEW.poll_id OR OLD.voter <> NEW.voter)
        EXECUTE FUNCTION polls_pin_vote();
    CREATE TRIGGER polls_vote_check_insert AFTER INSERT ON polls_vote
        REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION polls_check_votes();
    CREATE TRIGGER polls_vote_check_update AFTER UPDATE ON polls_vote
        REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION polls_check_votes();
    CREATE TRIGGER polls_vote_check_delete AFTER DELETE ON polls_vote
        REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION polls_check_votes();
    """,
]

TALLY = [
    """
    -- The key begins with the poll: a foreign option is then an insert, which the foreign key refuses, and never
    -- an update of the other poll's row. The free half of each page keeps updates in place.
    ALTER TABLE polls_tally
        ADD CONSTRAINT polls_tally_option_of_poll FOREIGN KEY (poll_id, option_id)
            REFERENCES polls_option (poll_id, id) ON DELETE CASCADE,
        SET (fillfactor = 50);
    ALTER TABLE polls_turnout
        ADD CONSTRAINT polls_turnout_poll FOREIGN KEY (poll_id) REFERENCES polls_poll (id) ON DELETE CASCADE,
        SET (fillfactor = 50);
    """,
    function("polls_count_votes", "0002"),
    function("polls_recount_votes", "0002"),
    function("polls_clear_tally", "0002"),
    """
    -- PostgreSQL runs these in the order of their names: check, then count.
    CREATE TRIGGER polls_vote_count_insert AFTER INSERT ON polls_vote
        REFERENCING NEW TABLE AS counted FOR EACH STATEMENT EXECUTE FUNCTION polls_count_votes('1');
    CREATE TRIGGER polls_vote_count_update AFTER UPDATE ON polls_vote
        REFERENCING OLD TABLE AS old_votes NEW TABLE AS new_votes
        FOR EACH STATEMENT EXECUTE FUNCTION polls_recount_votes();
    CREATE TRIGGER polls_vote_count_delete AFTER DELETE ON polls_vote
        REFERENCING OLD TABLE AS counted FOR EACH STATEMENT EXECUTE FUNCTION polls_count_votes('-1');
    CREATE TRIGGER polls_vote_count_truncate AFTER TRUNCATE ON polls_vote
        FOR EACH STATEMENT EXECUTE FUNCTION polls_clear_tally();
    """,
]

POLLS = [
    function("polls_guard_poll", "0002"),
    """
    CREATE TRIGGER polls_poll_guard_update BEFORE UPDATE ON polls_poll
        FOR EACH ROW WHEN (
            (OLD.id, OLD.slug, OLD.audience, OLD.named, OLD.changeable, OLD.shuffled, OLD.min_choices, OLD.max_choices,
             OLD.opens_at, OLD.closes_at, OLD.archived_at)
            IS DISTINCT FROM
            (NEW.id, NEW.slug, NEW.audience, NEW.named, NEW.changeable, NEW.shuffled, NEW.min_choices, NEW.max_choices,
             NEW.opens_at, NEW.closes_at, NEW.archived_at))
        EXECUTE FUNCTION polls_guard_poll();
    CREATE TRIGGER polls_poll_guard_delete BEFORE DELETE ON polls_poll
        FOR EACH ROW EXECUTE FUNCTION polls_guard_poll();
    """,
    function("polls_guard_option", "0002"),
    """
    CREATE TRIGGER polls_option_guard BEFORE INSERT OR UPDATE OR DELETE ON polls_option
        FOR EACH ROW EXECUTE FUNCTION polls_guard_option();
    """,
]

REVERSE = """
DROP FUNCTION polls_guard_option, polls_guard_poll, polls_clear_tally, polls_recount_votes, polls_count_votes,
    polls_pin_vote, polls_check_votes, polls_hold_votes, polls_refuse, polls_lock_key, polls_state CASCADE;
ALTER TABLE polls_turnout DROP CONSTRAINT polls_turnout_poll;
ALTER TABLE polls_tally DROP CONSTRAINT polls_tally_option_of_poll;
ALTER TABLE polls_vote DROP CONSTRAINT polls_vote_choices_flat;
"""


class Migration(migrations.Migration):
    dependencies = (("polls", "0001_initial"),)
    operations = (migrations.RunSQL([*SHARED, *VOTES, *TALLY, *POLLS], REVERSE),)
