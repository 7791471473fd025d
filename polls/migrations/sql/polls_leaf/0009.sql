-- What the journal holds of a vote: a hash that shows no choice to those who do not know the vote's seal. The hash in the
-- middle opens it, and says nothing of the seal: shown with the choices that count, it shows no others that the voter
-- had before. One expression, which PostgreSQL inlines.
CREATE OR REPLACE FUNCTION polls_leaf(poll_id bigint, voter text, seal bytea, choices bigint[])
RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(
        sha256(coalesce(seal, polls_seal_of(poll_id, voter)))
        || sha256(coalesce(seal, polls_seal_of(poll_id, voter)) || convert_to(array_to_string(choices, ','), 'UTF8'))
        || convert_to(array_to_string(choices, ','), 'UTF8')
    )
$$;
