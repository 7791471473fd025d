CREATE OR REPLACE FUNCTION polls_make_secret()
RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    secret CONSTANT bytea := polls_random_bytes();
    commitment CONSTANT text := encode(polls_hash_again(secret, 100), 'hex');
BEGIN
    INSERT INTO polls_secret (poll_id, secret, commitment) VALUES (NEW.id, secret, commitment);
    INSERT INTO polls_event (poll_id, at, actor, action, details)
    VALUES (NEW.id, clock_timestamp(), polls_actor(), 'secret added',
            jsonb_build_object('commitment', jsonb_build_array(NULL, commitment)));
    RETURN NULL;
END
$$;
