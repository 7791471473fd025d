-- HMAC-SHA256 of RFC 2104, for keys of 32 bytes: sha256(pad(key, 92) || sha256(pad(key, 54) || message)).
-- pgcrypto has it, and is not everywhere.
CREATE OR REPLACE FUNCTION polls_hmac(key bytea, message text)
RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(polls_hmac_pad(key, 92) || sha256(polls_hmac_pad(key, 54) || convert_to(message, 'UTF8')))
$$;
