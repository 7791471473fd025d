CREATE OR REPLACE FUNCTION polls_lock_key(poll_id bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtextextended('polls_poll', poll_id)
$$;
