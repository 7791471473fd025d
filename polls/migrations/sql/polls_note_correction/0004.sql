CREATE OR REPLACE FUNCTION polls_note_correction()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT polls_hold_votes(NEW.poll_id) THEN
        PERFORM polls_refuse('polls_correction_with_votes', 'A poll without votes is edited, not corrected');
    END IF;
    NEW.before := CASE NEW.field
        WHEN 'title' THEN (SELECT title FROM polls_poll WHERE id = NEW.poll_id)
        WHEN 'description' THEN (SELECT description FROM polls_poll WHERE id = NEW.poll_id)
        ELSE (SELECT text FROM polls_option WHERE id = NEW.option_id AND poll_id = NEW.poll_id)
    END;
    IF NEW.before IS NULL THEN
        PERFORM polls_refuse('polls_correction_target', 'This is no option of the poll');
    END IF;
    RETURN NEW;
END
$$;
