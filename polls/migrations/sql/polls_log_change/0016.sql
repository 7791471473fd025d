-- Log a row's change: the trigger's first argument says what kind of thing it is, the second which column is the poll.
CREATE OR REPLACE FUNCTION polls_log_change()
RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before CONSTANT jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) ELSE '{}' END;
    after CONSTANT jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) ELSE '{}' END;
    hidden CONSTANT text[] := ARRAY['token_hash', 'content_hash', 'revision'];
BEGIN
    INSERT INTO polls_event (poll_id, at, actor, action, details)
    SELECT coalesce(after ->> TG_ARGV[1], before ->> TG_ARGV[1])::bigint,
           clock_timestamp(),
           polls_actor(),
           TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN ' added' WHEN 'UPDATE' THEN ' changed' ELSE ' removed' END,
           coalesce(jsonb_object_agg(key, jsonb_build_array(before -> key, after -> key)), '{}')
      FROM jsonb_object_keys(before || after) AS key
     WHERE before -> key IS DISTINCT FROM after -> key
       AND key <> ALL (hidden)
    HAVING count(*) > 0;
    RETURN NULL;
END
$$;
