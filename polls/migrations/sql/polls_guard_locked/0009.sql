-- A locked poll keeps its times, and who sees its results, from its opening on.
CREATE OR REPLACE FUNCTION polls_guard_locked()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.opens_at <= clock_timestamp() THEN
        PERFORM polls_refuse('polls_poll_locked', 'This poll is locked: its rules and times are fixed since it opened');
    END IF;
    RETURN NEW;
END
$$;
