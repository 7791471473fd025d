-- The seal of a vote from before votes had receipts. No receipt leads to it, and without the secret no one can guess it.
CREATE OR REPLACE FUNCTION polls_seal_of(asked bigint, voter text)
RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(secret || convert_to(voter, 'UTF8')) FROM polls_secret WHERE poll_id = asked
$$;
