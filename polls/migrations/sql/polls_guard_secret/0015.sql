-- An anonymous poll for invited people shows its owner either who has voted or the counts while it is open. What it
-- shows is fixed from its first vote on until it has closed: one after the other would be both.
CREATE OR REPLACE FUNCTION polls_guard_secret()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF polls_state(OLD.opens_at, OLD.closes_at, OLD.archived_at) = 'open' AND polls_hold_votes(OLD.id) THEN
        PERFORM polls_refuse('polls_poll_secret',
            'From the first vote on until the poll has closed, its results stay hidden, or shown, from everyone');
    END IF;
    RETURN NEW;
END
$$;
