-- The code that stands for a voter in public, among those who chose an option or, where that is NULL, among everybody.
-- Without the secret, trying all users does not tell whose it is; and as "all" is no option's id, a voter's codes in
-- two draws have nothing in common.
CREATE OR REPLACE FUNCTION polls_entry_code(poll_id bigint, option_id bigint, voter text)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(polls_hmac(secret.secret, coalesce(option_id::text, 'all') || '/' || voter), 'hex')
      FROM polls_secret AS secret
     WHERE secret.poll_id = polls_entry_code.poll_id
$$;
