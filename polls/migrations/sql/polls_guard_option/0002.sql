CREATE OR REPLACE FUNCTION polls_guard_option()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (TG_OP <> 'DELETE' AND polls_hold_votes(NEW.poll_id)) OR (TG_OP <> 'INSERT' AND polls_hold_votes(OLD.poll_id))
    THEN
        PERFORM polls_refuse('polls_option_frozen', 'The options of a poll are frozen from its first vote on');
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
