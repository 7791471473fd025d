-- Keep the content hash and the number of the revision, by which forms notice that the poll has changed.
CREATE OR REPLACE FUNCTION polls_stamp_poll()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := CASE TG_OP WHEN 'UPDATE' THEN OLD.revision + 1 ELSE 0 END;
    NEW.content_hash := polls_content_hash(NEW);
    RETURN NEW;
END
$$;
