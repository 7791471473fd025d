-- The key filled up to the 64 bytes of a block, XORed with the mask: 54 for the inner pad, 92 for the outer.
CREATE OR REPLACE FUNCTION polls_hmac_pad(key bytea, mask integer)
RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(set_byte('x', 0, get_byte(key || decode(repeat('00', 32), 'hex'), place) # mask), ''
                      ORDER BY place)
      FROM generate_series(0, 63) AS place
$$;
