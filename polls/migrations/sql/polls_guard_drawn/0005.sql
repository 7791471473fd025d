-- Reopening a poll would change who is in its draws.
CREATE OR REPLACE FUNCTION polls_guard_drawn()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM polls_hold_votes(OLD.id);
    IF EXISTS (SELECT FROM polls_entries WHERE poll_id = OLD.id) THEN
        PERFORM polls_refuse('polls_poll_drawn', 'A poll with a draw stays closed');
    END IF;
    RETURN NEW;
END
$$;
