-- What a text looks like: compatibility forms, case, spaces and invisible characters make no difference.
CREATE OR REPLACE FUNCTION polls_looks(text text)
RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT lower(btrim(regexp_replace(visible, '\s+', ' ', 'g')))
      FROM regexp_replace(normalize(text, NFKC), '[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]', '', 'g')
           AS visible
$$;
