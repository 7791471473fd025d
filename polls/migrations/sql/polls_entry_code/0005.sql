-- The code that stands for a voter of an option in public. Without the secret, trying all users does not tell whose
-- it is; and it differs from option to option, so that the entries of two draws do not tell who chose both.
CREATE OR REPLACE FUNCTION polls_entry_code(poll_id bigint, option_id bigint, voter text)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(polls_hmac(secret.secret, option_id || '/' || voter), 'hex')
      FROM polls_secret AS secret
     WHERE secret.poll_id = polls_entry_code.poll_id
$$;
