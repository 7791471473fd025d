-- 32 bytes from the server's strong random numbers, of which a UUID holds 122 bits.
CREATE OR REPLACE FUNCTION polls_random_bytes()
RETURNS bytea LANGUAGE sql VOLATILE AS $$
    SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
$$;
