-- The text of a poll is frozen as well. Only polls_correct changes it: its updates run one trigger level deeper.
CREATE OR REPLACE FUNCTION polls_guard_content()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 AND polls_hold_votes(OLD.id) THEN
        PERFORM polls_refuse('polls_poll_frozen', 'The text of a poll with votes is changed by a correction only');
    END IF;
    RETURN NEW;
END
$$;
