-- What the journal holds of a vote: a hash that shows no choice to those who do not know the vote's seal.
CREATE OR REPLACE FUNCTION polls_leaf(poll_id bigint, voter text, seal bytea, choices bigint[])
RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(coalesce(seal, polls_seal_of(poll_id, voter)) || convert_to(array_to_string(choices, ','), 'UTF8'))
$$;
