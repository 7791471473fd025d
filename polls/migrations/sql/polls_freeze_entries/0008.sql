CREATE OR REPLACE FUNCTION polls_freeze_entries()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    among CONSTANT text := coalesce(NEW.option_id::text, 'all');
    inner_pad bytea;
    outer_pad bytea;
BEGIN
    PERFORM polls_hold_closed(NEW.poll_id);
    SELECT polls_hmac_pad(secret, 54), polls_hmac_pad(secret, 92) INTO inner_pad, outer_pad
      FROM polls_secret WHERE poll_id = NEW.poll_id;
    -- As polls_entry_code says, with the pads made once. A voter has one vote, however many choices are in it.
    WITH entry AS MATERIALIZED (
        SELECT sha256(outer_pad || sha256(inner_pad || convert_to(among || '/' || voter, 'UTF8'))) AS code
          FROM polls_vote
         WHERE poll_id = NEW.poll_id AND (NEW.option_id IS NULL OR NEW.option_id = ANY (choices))
         ORDER BY code
    )
    SELECT string_agg(code, ''),
           encode(sha256(convert_to(string_agg(encode(code, 'hex') || E'\n', ''), 'UTF8')), 'hex')
      INTO NEW.codes, NEW.hash
      FROM entry;
    IF NEW.codes IS NULL AND NEW.option_id IS NULL THEN
        PERFORM polls_refuse('polls_draw_of_somebody', 'Nobody has voted');
    ELSIF NEW.codes IS NULL THEN
        PERFORM polls_refuse('polls_draw_of_somebody', 'Nobody has chosen this option');
    END IF;
    NEW.frozen_at := clock_timestamp();
    NEW.frozen_by := polls_actor();
    RETURN NEW;
END
$$;
