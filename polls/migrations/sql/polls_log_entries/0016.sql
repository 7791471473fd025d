-- Not polls_log_change: the codes are too long for the trail, and their hash says as much.
CREATE OR REPLACE FUNCTION polls_log_entries()
RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO polls_event (poll_id, at, actor, action, details)
    VALUES (NEW.poll_id, NEW.frozen_at, NEW.frozen_by, 'entries added', jsonb_build_object(
        'option_id', jsonb_build_array(NULL, NEW.option_id),
        'entries', jsonb_build_array(NULL, octet_length(NEW.codes) / 32),
        'hash', jsonb_build_array(NULL, NEW.hash)));
    RETURN NULL;
END
$$;
