-- Fill in the counts of a step. No row is written where fewer than five more have voted than at the last step.
CREATE OR REPLACE FUNCTION polls_take_step()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A snapshot as old as the transaction would not see the votes and the step that were under way.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM polls_refuse('polls_step_read_committed', 'Steps are taken in READ COMMITTED transactions only');
    END IF;
    PERFORM pg_advisory_xact_lock(polls_lock_key(NEW.poll_id));
    SELECT coalesce(sum(voters), 0) INTO NEW.voters FROM polls_turnout WHERE poll_id = NEW.poll_id;
    IF NEW.voters < 5 + coalesce((SELECT max(voters) FROM polls_step WHERE poll_id = NEW.poll_id), 0) THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(jsonb_object_agg(option_id, votes), '{}') INTO NEW.votes
      FROM (SELECT option_id, sum(votes) AS votes FROM polls_tally WHERE poll_id = NEW.poll_id GROUP BY option_id)
           AS counted;
    RETURN NEW;
END
$$;
