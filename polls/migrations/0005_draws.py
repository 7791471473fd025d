"""Draws that nobody can dispute: bound to a secret, from frozen entries, computed by the database itself.

Whoever writes a draw names the poll, the option, the number, the public value and the reason. Everything that a
chooser could bend is computed by triggers, so that nobody who may write rows can write another winner. docs/draws.md
explains it, and polls/draws.py computes the same in Python, for verify_poll and for whoever wants to check.
"""

from django.db import migrations

SECRETS = """
-- Hash again and again: who knows a link of the chain knows the ones before it, and not the next.
CREATE FUNCTION polls_hash_again(link bytea, times integer)
RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    FOR _ IN 1 .. times LOOP
        link := sha256(link);
    END LOOP;
    RETURN link;
END
$$;

-- HMAC-SHA256 of RFC 2104, for keys of 32 bytes: sha256(pad(key, 92) || sha256(pad(key, 54) || message)).
-- pgcrypto has it, and is not everywhere.
CREATE FUNCTION polls_hmac_pad(key bytea, mask integer)
RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(set_byte('x', 0, get_byte(key || decode(repeat('00', 32), 'hex'), place) # mask), ''
                      ORDER BY place)
      FROM generate_series(0, 63) AS place
$$;

CREATE FUNCTION polls_hmac(key bytea, message text)
RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(polls_hmac_pad(key, 92) || sha256(polls_hmac_pad(key, 54) || convert_to(message, 'UTF8')))
$$;

-- The secret is the end of a chain of 100 links. Draw number n reveals the link from which n hashes lead to the
-- commitment: it says nothing about the next draw's. The end itself is never revealed.
ALTER TABLE polls_secret
    ADD CONSTRAINT polls_secret_poll FOREIGN KEY (poll_id) REFERENCES polls_poll (id) ON DELETE CASCADE,
    ADD CONSTRAINT polls_secret_committed
        CHECK (octet_length(secret) = 32 AND commitment = encode(polls_hash_again(secret, 100), 'hex'));

-- 32 bytes from the server's strong random numbers, of which a UUID holds 122 bits.
CREATE FUNCTION polls_random_bytes()
RETURNS bytea LANGUAGE sql VOLATILE AS $$
    SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
$$;

CREATE FUNCTION polls_make_secret()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    secret CONSTANT bytea := polls_random_bytes();
    commitment CONSTANT text := encode(polls_hash_again(secret, 100), 'hex');
BEGIN
    INSERT INTO polls_secret (poll_id, secret, commitment) VALUES (NEW.id, secret, commitment);
    INSERT INTO polls_event (poll_id, at, actor, action, details)
    VALUES (NEW.id, clock_timestamp(), polls_actor(), 'secret added',
            jsonb_build_object('commitment', jsonb_build_array(NULL, commitment)));
    RETURN NULL;
END
$$;

CREATE TRIGGER polls_poll_secret AFTER INSERT ON polls_poll
    FOR EACH ROW EXECUTE FUNCTION polls_make_secret();
CREATE TRIGGER polls_secret_append_only BEFORE UPDATE ON polls_secret
    FOR EACH ROW EXECUTE FUNCTION polls_append_only();
CREATE TRIGGER polls_secret_kept BEFORE DELETE ON polls_secret
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION polls_append_only();

INSERT INTO polls_secret (poll_id, secret, commitment)
SELECT id, made.secret, encode(polls_hash_again(made.secret, 100), 'hex')
  FROM (SELECT id, polls_random_bytes() AS secret FROM polls_poll) AS made;
"""

ENTRIES = """
-- What stands for a voter of an option in public. Without the secret nobody can tell whose it is by trying all users,
-- and it differs from option to option, so that the entries of two draws do not tell who chose both.
CREATE FUNCTION polls_entry_code(poll_id bigint, option_id bigint, voter text)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(polls_hmac(secret.secret, option_id || '/' || voter), 'hex')
      FROM polls_secret AS secret
     WHERE secret.poll_id = polls_entry_code.poll_id
$$;

ALTER TABLE polls_entries
    ALTER COLUMN codes SET STORAGE EXTERNAL, -- hashes do not compress, and a slice is then read without the rest
    ADD CONSTRAINT polls_entries_option_of_poll FOREIGN KEY (poll_id, option_id) REFERENCES polls_option (poll_id, id);

-- Wait for the votes under way; then the poll is closed, or nothing is drawn.
CREATE FUNCTION polls_hold_closed(asked bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- A snapshot as old as the transaction would not see the last votes.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM polls_refuse('polls_draw_read_committed', 'Draws are made in READ COMMITTED transactions only');
    END IF;
    PERFORM polls_hold_votes(asked);
    IF NOT EXISTS (SELECT FROM polls_poll WHERE id = asked AND closes_at <= clock_timestamp()) THEN
        PERFORM polls_refuse('polls_draw_after_closing', 'A winner is drawn after the poll has closed');
    END IF;
END
$$;

CREATE FUNCTION polls_freeze_entries()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    inner_pad bytea;
    outer_pad bytea;
BEGIN
    PERFORM polls_hold_closed(NEW.poll_id);
    SELECT polls_hmac_pad(secret, 54), polls_hmac_pad(secret, 92) INTO inner_pad, outer_pad
      FROM polls_secret WHERE poll_id = NEW.poll_id;
    -- As polls_entry_code says, with the pads made once.
    WITH entry AS MATERIALIZED (
        SELECT sha256(outer_pad || sha256(inner_pad || convert_to(NEW.option_id || '/' || voter, 'UTF8'))) AS code
          FROM polls_vote
         WHERE poll_id = NEW.poll_id AND NEW.option_id = ANY (choices)
         ORDER BY code
    )
    SELECT string_agg(code, ''),
           encode(sha256(convert_to(string_agg(encode(code, 'hex') || E'\\n', ''), 'UTF8')), 'hex')
      INTO NEW.codes, NEW.hash
      FROM entry;
    IF NEW.codes IS NULL THEN
        PERFORM polls_refuse('polls_draw_of_somebody', 'Nobody has chosen this option');
    END IF;
    NEW.frozen_at := clock_timestamp();
    NEW.frozen_by := polls_actor();
    RETURN NEW;
END
$$;

-- Not polls_log_change: the codes are too long for the trail, and their hash says as much.
CREATE FUNCTION polls_log_entries()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO polls_event (poll_id, at, actor, action, details)
    VALUES (NEW.poll_id, NEW.frozen_at, NEW.frozen_by, 'entries added', jsonb_build_object(
        'option_id', jsonb_build_array(NULL, NEW.option_id),
        'entries', jsonb_build_array(NULL, octet_length(NEW.codes) / 32),
        'hash', jsonb_build_array(NULL, NEW.hash)));
    RETURN NULL;
END
$$;

CREATE TRIGGER polls_entries_freeze BEFORE INSERT ON polls_entries
    FOR EACH ROW EXECUTE FUNCTION polls_freeze_entries();
CREATE TRIGGER polls_entries_log AFTER INSERT ON polls_entries
    FOR EACH ROW EXECUTE FUNCTION polls_log_entries();
CREATE TRIGGER polls_entries_append_only BEFORE UPDATE OR DELETE ON polls_entries
    FOR EACH ROW EXECUTE FUNCTION polls_append_only();
"""

WINNER = """
-- Whoever asks names the option, the number and the public value; two at once wait for each other here.
CREATE FUNCTION polls_draw_winner()
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
    IF NEW.number > 1 AND NEW.reason ~ '^\\s*$' THEN
        PERFORM polls_refuse('polls_draw_again_with_reason', 'A draw after the first needs a reason');
    END IF;
    IF NEW.number > 99 THEN
        PERFORM polls_refuse('polls_draw_most', 'A poll has at most 99 draws');
    END IF;
    SELECT draw_source INTO source FROM polls_poll WHERE id = NEW.poll_id;
    IF source <> '' AND NEW.public_value ~ '^\\s*$' THEN
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

CREATE TRIGGER polls_draw_compute BEFORE INSERT ON polls_draw
    FOR EACH ROW EXECUTE FUNCTION polls_draw_winner();

-- Reopening a poll would change who is in its draws.
CREATE FUNCTION polls_guard_drawn()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM polls_hold_votes(OLD.id);
    IF EXISTS (SELECT FROM polls_entries WHERE poll_id = OLD.id) THEN
        PERFORM polls_refuse('polls_poll_drawn', 'A poll with a draw stays closed');
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER polls_poll_guard_drawn BEFORE UPDATE ON polls_poll
    FOR EACH ROW WHEN (OLD.closes_at IS DISTINCT FROM NEW.closes_at) EXECUTE FUNCTION polls_guard_drawn();
"""

REVERSE = """
DROP FUNCTION polls_guard_drawn, polls_draw_winner, polls_log_entries, polls_freeze_entries, polls_hold_closed,
    polls_entry_code, polls_make_secret, polls_random_bytes, polls_hmac, polls_hmac_pad CASCADE;
ALTER TABLE polls_entries DROP CONSTRAINT polls_entries_option_of_poll;
ALTER TABLE polls_secret DROP CONSTRAINT polls_secret_poll, DROP CONSTRAINT polls_secret_committed;
DROP TRIGGER polls_secret_append_only ON polls_secret;
DROP TRIGGER polls_secret_kept ON polls_secret;
DROP TRIGGER polls_entries_append_only ON polls_entries;
DROP FUNCTION polls_hash_again;
DELETE FROM polls_secret;
"""


class Migration(migrations.Migration):
    dependencies = (("polls", "0004_trust"),)
    operations = (migrations.RunSQL([SECRETS, ENTRIES, WINNER], REVERSE),)
