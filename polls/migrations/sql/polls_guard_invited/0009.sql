-- In a locked poll, no one is invited after the opening.
CREATE OR REPLACE FUNCTION polls_guard_invited()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM polls_poll WHERE id = NEW.poll_id AND locked AND opens_at <= clock_timestamp()) THEN
        PERFORM polls_refuse('polls_poll_locked', 'This poll is locked: no one is invited after it has opened');
    END IF;
    RETURN NEW;
END
$$;
