CREATE OR REPLACE FUNCTION polls_correct()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE polls_poll SET title = NEW.after WHERE id = NEW.poll_id AND NEW.field = 'title';
    UPDATE polls_poll SET description = NEW.after WHERE id = NEW.poll_id AND NEW.field = 'description';
    UPDATE polls_option SET text = NEW.after WHERE id = NEW.option_id;
    RETURN NULL;
END
$$;
