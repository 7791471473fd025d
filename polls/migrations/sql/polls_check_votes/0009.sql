-- `written` holds the new votes of an INSERT or UPDATE, and the old ones of a DELETE.
CREATE OR REPLACE FUNCTION polls_check_votes()
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
    -- Each vote fires the triggers of INSERT and those of UPDATE, for its statement might do both.
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    SELECT rule INTO broken
      FROM written AS vote
      LEFT JOIN polls_poll AS poll ON poll.id = vote.poll_id
     CROSS JOIN LATERAL (
        SELECT CASE
            WHEN poll.id IS NULL
                OR polls_state(poll.opens_at, poll.closes_at, poll.archived_at) <> 'open'
                THEN 'polls_vote_while_open'
            WHEN TG_OP <> 'INSERT' AND NOT poll.changeable
                THEN 'polls_vote_final'
            WHEN TG_OP = 'DELETE'
                THEN NULL
            WHEN vote.cast_at < poll.opens_at OR vote.cast_at > clock_timestamp()
                THEN 'polls_vote_while_open'
            WHEN vote.cast_at < statement_timestamp()
                THEN 'polls_vote_cast_at'
            -- Compared here and not before: a change of the poll waits for the lock, or was committed before it.
            WHEN encode(vote.ballot, 'hex') <> poll.content_hash
                THEN 'polls_vote_ballot'
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
            WHEN 'polls_vote_final' THEN 'Votes in this poll are final'
            WHEN 'polls_vote_cast_at' THEN 'The time of a vote is the time at which it is written'
            WHEN 'polls_vote_ballot' THEN 'The poll is not what this ballot showed'
            WHEN 'polls_vote_choice_count' THEN 'Too few or too many choices'
            ELSE 'An option is chosen twice'
        END);
    END IF;
    RETURN NULL;
END
$$;
