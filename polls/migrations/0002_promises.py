"""What the database promises, whoever writes: psql, the admin or the pages.

The rules of a vote are checked after the statement that writes it, on its transition table: a
trigger per row would touch the same tally row once per vote, and in one transaction that is
quadratic (300,000 votes: 2 s per statement, more than 10 minutes per row).

Lock, then check. A vote takes its poll's advisory lock, shared, and only then reads the poll: each
statement of a volatile PL/pgSQL function has a snapshot of its own, so it sees what a closer that held
the lock has committed. Whoever changes a poll's window, rules or options takes the same lock
exclusively, and thereby waits for the votes under way (milliseconds) and then sees them.

Every refusal carries the name of its rule as the constraint's name; polls.queries turns names into errors.
"""

from django.db import migrations

SHARED = """
-- Where a poll stands, by the database's clock. VOLATILE, so that PostgreSQL can inline it.
CREATE FUNCTION polls_state(opens_at timestamptz, closes_at timestamptz, archived_at timestamptz)
RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT CASE
        WHEN archived_at IS NOT NULL THEN 'archived'
        WHEN opens_at IS NULL THEN 'draft'
        WHEN clock_timestamp() < opens_at THEN 'scheduled'
        WHEN clock_timestamp() >= closes_at THEN 'closed'
        ELSE 'open'
    END
$$;

CREATE FUNCTION polls_lock_key(poll_id bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtextextended('polls_poll', poll_id)
$$;

CREATE FUNCTION polls_refuse(rule text, reason text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', reason USING ERRCODE = 'check_violation', CONSTRAINT = rule;
END
$$;

-- Wait for the votes under way on this poll, hold back new ones, and say whether there are any.
CREATE FUNCTION polls_hold_votes(poll_id bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(polls_lock_key(poll_id));
    RETURN EXISTS (SELECT FROM polls_vote AS vote WHERE vote.poll_id = polls_hold_votes.poll_id);
END
$$;
"""

VOTES = """
ALTER TABLE polls_vote ADD CONSTRAINT polls_vote_choices_flat CHECK (coalesce(array_ndims(choices), 1) = 1);

-- `written` holds the new votes of an INSERT or UPDATE, and the old ones of a DELETE.
CREATE FUNCTION polls_check_votes()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken text;
BEGIN
    -- A snapshot as old as the transaction would not see the poll being closed.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM polls_refuse('polls_vote_read_committed', 'Votes are written in READ COMMITTED transactions only');
    END IF;

    -- In the order of the ids, so that two statements on several polls cannot deadlock.
    PERFORM pg_advisory_xact_lock_shared(polls_lock_key(poll_id))
       FROM (SELECT DISTINCT poll_id FROM written ORDER BY poll_id) AS polls;

    SELECT rule INTO broken
      FROM written AS vote
      LEFT JOIN polls_poll AS poll ON poll.id = vote.poll_id
     CROSS JOIN LATERAL (
        SELECT CASE
            WHEN poll.id IS NULL
                OR polls_state(poll.opens_at, poll.closes_at, poll.archived_at) <> 'open'
                THEN 'polls_vote_while_open'
            WHEN TG_OP = 'DELETE'
                THEN NULL
            WHEN vote.cast_at < poll.opens_at OR vote.cast_at > clock_timestamp()
                THEN 'polls_vote_while_open'
            WHEN cardinality(vote.choices) NOT BETWEEN poll.min_choices AND poll.max_choices
                THEN 'polls_vote_choice_count'
            WHEN cardinality(vote.choices) > 1
                AND cardinality(vote.choices) > (SELECT count(DISTINCT choice) FROM unnest(vote.choices) AS choice)
                THEN 'polls_vote_choices_distinct'
        END AS rule
     ) AS checked
     WHERE rule IS NOT NULL
     LIMIT 1;
    IF FOUND THEN
        PERFORM polls_refuse(broken, CASE broken
            WHEN 'polls_vote_while_open' THEN 'The poll is not open at the time of this vote'
            WHEN 'polls_vote_choice_count' THEN 'Too few or too many choices'
            ELSE 'An option is chosen twice'
        END);
    END IF;
    RETURN NULL;
END
$$;

-- A vote stays in its poll and with its voter: otherwise one could be moved to where it was refused.
CREATE FUNCTION polls_pin_vote()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM polls_refuse('polls_vote_pinned', 'A vote keeps its poll and its voter');
    RETURN NULL;
END
$$;

CREATE TRIGGER polls_vote_pin BEFORE UPDATE ON polls_vote
    FOR EACH ROW WHEN (OLD.id <> NEW.id OR OLD.poll_id <> NEW.poll_id OR OLD.voter <> NEW.voter)
    EXECUTE FUNCTION polls_pin_vote();
CREATE TRIGGER polls_vote_check_insert AFTER INSERT ON polls_vote
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION polls_check_votes();
CREATE TRIGGER polls_vote_check_update AFTER UPDATE ON polls_vote
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION polls_check_votes();
CREATE TRIGGER polls_vote_check_delete AFTER DELETE ON polls_vote
    REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION polls_check_votes();
"""

TALLY = """
-- The key begins with the poll: a foreign option is then an insert, which the foreign key refuses, and never
-- an update of the other poll's row. The free half of each page keeps updates in place.
ALTER TABLE polls_tally
    ADD CONSTRAINT polls_tally_option_of_poll FOREIGN KEY (poll_id, option_id)
        REFERENCES polls_option (poll_id, id) ON DELETE CASCADE,
    SET (fillfactor = 50);
ALTER TABLE polls_turnout
    ADD CONSTRAINT polls_turnout_poll FOREIGN KEY (poll_id) REFERENCES polls_poll (id) ON DELETE CASCADE,
    SET (fillfactor = 50);

-- Add the votes in `counted`, times the trigger's argument: 1 or -1. A slot may fall below zero; their sum never does.
CREATE FUNCTION polls_count_votes()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign CONSTANT integer := TG_ARGV[0];
    own_slot CONSTANT integer := pg_backend_pid() % 16;
BEGIN
    INSERT INTO polls_tally AS tally (poll_id, option_id, slot, votes)
    SELECT poll_id, option_id, own_slot, sign * count(*)
      FROM counted CROSS JOIN unnest(choices) AS option_id
     GROUP BY poll_id, option_id
     ORDER BY poll_id, option_id
        ON CONFLICT (poll_id, option_id, slot) DO UPDATE SET votes = tally.votes + excluded.votes;

    INSERT INTO polls_turnout AS turnout (poll_id, slot, voters)
    SELECT poll_id, own_slot, sign * count(*)
      FROM counted
     GROUP BY poll_id
     ORDER BY poll_id
        ON CONFLICT (poll_id, slot) DO UPDATE SET voters = turnout.voters + excluded.voters;
    RETURN NULL;
END
$$;

-- A change of choices is one statement on the tally: taking away and then adding would lock rows in two orders.
CREATE FUNCTION polls_recount_votes()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO polls_tally AS tally (poll_id, option_id, slot, votes)
    SELECT poll_id, option_id, pg_backend_pid() % 16, sum(sign)
      FROM (SELECT poll_id, choices, 1 AS sign FROM new_votes
            UNION ALL
            SELECT poll_id, choices, -1 FROM old_votes) AS changed
     CROSS JOIN unnest(choices) AS option_id
     GROUP BY poll_id, option_id
    HAVING sum(sign) <> 0
     ORDER BY poll_id, option_id
        ON CONFLICT (poll_id, option_id, slot) DO UPDATE SET votes = tally.votes + excluded.votes;
    RETURN NULL;
END
$$;

CREATE FUNCTION polls_clear_tally()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM polls_tally;
    DELETE FROM polls_turnout;
    RETURN NULL;
END
$$;

-- PostgreSQL runs these in the order of their names: check, then count.
CREATE TRIGGER polls_vote_count_insert AFTER INSERT ON polls_vote
    REFERENCING NEW TABLE AS counted FOR EACH STATEMENT EXECUTE FUNCTION polls_count_votes('1');
CREATE TRIGGER polls_vote_count_update AFTER UPDATE ON polls_vote
    REFERENCING OLD TABLE AS old_votes NEW TABLE AS new_votes FOR EACH STATEMENT EXECUTE FUNCTION polls_recount_votes();
CREATE TRIGGER polls_vote_count_delete AFTER DELETE ON polls_vote
    REFERENCING OLD TABLE AS counted FOR EACH STATEMENT EXECUTE FUNCTION polls_count_votes('-1');
CREATE TRIGGER polls_vote_count_truncate AFTER TRUNCATE ON polls_vote
    FOR EACH STATEMENT EXECUTE FUNCTION polls_clear_tally();
"""

POLLS = """
CREATE FUNCTION polls_guard_poll()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT polls_hold_votes(OLD.id) THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' THEN
        PERFORM polls_refuse('polls_poll_kept', 'A poll with votes is archived, not deleted');
    END IF;
    IF (OLD.id, OLD.slug, OLD.audience, OLD.named, OLD.changeable, OLD.shuffled, OLD.min_choices, OLD.max_choices,
        OLD.opens_at)
        IS DISTINCT FROM
       (NEW.id, NEW.slug, NEW.audience, NEW.named, NEW.changeable, NEW.shuffled, NEW.min_choices, NEW.max_choices,
        NEW.opens_at)
    THEN
        PERFORM polls_refuse('polls_poll_frozen', 'The rules of a poll are frozen from its first vote on');
    END IF;
    -- No closing in the past: votes were taken until now, when the lock was granted.
    IF NEW.closes_at < clock_timestamp() THEN
        NEW.closes_at := greatest(NEW.closes_at, least(OLD.closes_at, clock_timestamp()));
    END IF;
    RETURN NEW;
END
$$;

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

CREATE FUNCTION polls_guard_option()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (TG_OP <> 'DELETE' AND polls_hold_votes(NEW.poll_id)) OR (TG_OP <> 'INSERT' AND polls_hold_votes(OLD.poll_id))
    THEN
        PERFORM polls_refuse('polls_option_frozen', 'The options of a poll are frozen from its first vote on');
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

CREATE TRIGGER polls_option_guard BEFORE INSERT OR UPDATE OR DELETE ON polls_option
    FOR EACH ROW EXECUTE FUNCTION polls_guard_option();
"""

REVERSE = """
DROP FUNCTION polls_guard_option, polls_guard_poll, polls_clear_tally, polls_recount_votes, polls_count_votes,
    polls_pin_vote, polls_check_votes, polls_hold_votes, polls_refuse, polls_lock_key, polls_state CASCADE;
ALTER TABLE polls_turnout DROP CONSTRAINT polls_turnout_poll;
ALTER TABLE polls_tally DROP CONSTRAINT polls_tally_option_of_poll;
ALTER TABLE polls_vote DROP CONSTRAINT polls_vote_choices_flat;
"""


class Migration(migrations.Migration):
    dependencies = (("polls", "0001_initial"),)
    operations = (migrations.RunSQL([SHARED, VOTES, TALLY, POLLS], REVERSE),)
