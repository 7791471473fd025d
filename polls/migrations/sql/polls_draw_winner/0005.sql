-- The new row names the option, the number and the public value. Two draws at once wait for each other in
-- polls_hold_closed.
CREATE OR REPLACE FUNCTION polls_draw_winner()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    source text;
    entries polls_entries;
    seed bytea;
    inner_pad bytea;
    outer_pad bytea;
    drawn text[];
BEGIN
    PERFORM polls_hold_closed(NEW.poll_id);
    IF NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM polls_draw WHERE poll_id = NEW.poll_id) THEN
        PERFORM polls_refuse('polls_draw_number', 'Another draw was made meanwhile');
    END IF;
    -- These two are constraints as well; here they are said in words.
    IF NEW.number > 1 AND NEW.reason ~ '^\s*$' THEN
        PERFORM polls_refuse('polls_draw_again_with_reason', 'A draw after the first needs a reason');
    END IF;
    IF NEW.number > 99 THEN
        PERFORM polls_refuse('polls_draw_most', 'A poll has at most 99 draws');
    END IF;
    SELECT draw_source INTO source FROM polls_poll WHERE id = NEW.poll_id;
    IF source <> '' AND NEW.public_value ~ '^\s*$' THEN
        PERFORM polls_refuse('polls_draw_public_value', 'The public value that was announced is missing');
    ELSIF source = '' AND NEW.public_value <> '' THEN
        PERFORM polls_refuse('polls_draw_public_value', 'No public value was announced for this poll');
    END IF;
    SELECT * INTO entries FROM polls_entries WHERE poll_id = NEW.poll_id AND option_id = NEW.option_id;
    IF NOT FOUND THEN
        PERFORM polls_refuse('polls_draw_from_entries', 'The entries of this option are not frozen yet');
    END IF;
    NEW.secret := (SELECT encode(polls_hash_again(secret, 100 - NEW.number), 'hex')
                     FROM polls_secret WHERE poll_id = NEW.poll_id);
    seed := polls_hmac(decode(NEW.secret, 'hex'), concat_ws('/', entries.hash, NEW.public_value, NEW.number));
    inner_pad := polls_hmac_pad(seed, 54);
    outer_pad := polls_hmac_pad(seed, 92);
    entries.codes := entries.codes || ''; -- in memory as a whole, or each slice is fetched from the disk
    SELECT array_agg(code ORDER BY place) INTO drawn
      FROM (
        SELECT code, sha256(outer_pad || sha256(inner_pad || convert_to(code, 'UTF8'))) AS place
          FROM generate_series(0, octet_length(entries.codes) / 32 - 1) AS position
         CROSS JOIN LATERAL (SELECT encode(substr(entries.codes, 32 * position + 1, 32), 'hex') AS code) AS entry
         ORDER BY place
         LIMIT 11
      ) AS first;
    NEW.winner := drawn[1];
    NEW.alternates := coalesce(drawn[2:], '{}');
    NEW.drawn_at := clock_timestamp();
    NEW.drawn_by := polls_actor();
    RETURN NEW;
END
$$;
