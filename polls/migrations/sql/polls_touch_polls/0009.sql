-- The options in `touched` have changed: have their polls stamped.
CREATE OR REPLACE FUNCTION polls_touch_polls()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE polls_poll SET content_hash = '' WHERE id IN (SELECT poll_id FROM touched);
    RETURN NULL;
END
$$;
