"""What makes a poll checkable afterwards: a trail of events, corrections that show, and draws bound to a secret."""

from django.db import migrations

TRAIL = """
-- Who acts: named by the data layer for one transaction, otherwise the user of the database.
CREATE FUNCTION polls_actor()
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT left(coalesce(nullif(current_setting('polls.actor', true), ''), 'database user ' || session_user), 200)
$$;

CREATE FUNCTION polls_append_only()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM polls_refuse(TG_TABLE_NAME || '_append_only', 'What is written here stays as it is');
    RETURN NULL;
END
$$;

CREATE TRIGGER polls_event_append_only BEFORE UPDATE OR DELETE ON polls_event
    FOR EACH ROW EXECUTE FUNCTION polls_append_only();
CREATE TRIGGER polls_correction_append_only BEFORE UPDATE OR DELETE ON polls_correction
    FOR EACH ROW EXECUTE FUNCTION polls_append_only();
CREATE TRIGGER polls_draw_append_only BEFORE UPDATE OR DELETE ON polls_draw
    FOR EACH ROW EXECUTE FUNCTION polls_append_only();

-- Log a row's change: the trigger's first argument says what kind of thing it is, the second which column is the poll.
CREATE FUNCTION polls_log_change()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before CONSTANT jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) ELSE '{}' END;
    after CONSTANT jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) ELSE '{}' END;
    hidden CONSTANT text[] := ARRAY['token_hash'];
BEGIN
    INSERT INTO polls_event (poll_id, at, actor, action, details)
    SELECT coalesce(after ->> TG_ARGV[1], before ->> TG_ARGV[1])::bigint,
           clock_timestamp(),
           polls_actor(),
           TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN ' added' WHEN 'UPDATE' THEN ' changed' ELSE ' removed' END,
           coalesce(jsonb_object_agg(key, jsonb_build_array(before -> key, after -> key)), '{}')
      FROM jsonb_object_keys(before || after) AS key
     WHERE before -> key IS DISTINCT FROM after -> key
       AND key <> ALL (hidden)
    HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE TRIGGER polls_poll_log AFTER INSERT OR UPDATE OR DELETE ON polls_poll
    FOR EACH ROW EXECUTE FUNCTION polls_log_change('poll', 'id');
CREATE TRIGGER polls_option_log AFTER INSERT OR UPDATE OR DELETE ON polls_option
    FOR EACH ROW EXECUTE FUNCTION polls_log_change('option', 'poll_id');
CREATE TRIGGER polls_invite_log AFTER INSERT OR UPDATE OR DELETE ON polls_invite
    FOR EACH ROW EXECUTE FUNCTION polls_log_change('invite', 'poll_id');
CREATE TRIGGER polls_draw_log AFTER INSERT ON polls_draw
    FOR EACH ROW EXECUTE FUNCTION polls_log_change('draw', 'poll_id');
"""

CONTENT = """
-- Title and description join what is frozen; the trigger below mends them, and only it (it runs one level deeper).
CREATE FUNCTION polls_guard_content()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 AND polls_hold_votes(OLD.id) THEN
        PERFORM polls_refuse('polls_poll_frozen', 'The text of a poll with votes is changed by a correction only');
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER polls_poll_guard_content BEFORE UPDATE ON polls_poll
    FOR EACH ROW WHEN ((OLD.title, OLD.description, OLD.draw_source)
        IS DISTINCT FROM (NEW.title, NEW.description, NEW.draw_source))
    EXECUTE FUNCTION polls_guard_content();

DROP TRIGGER polls_option_guard ON polls_option;
CREATE TRIGGER polls_option_guard BEFORE INSERT OR DELETE ON polls_option
    FOR EACH ROW EXECUTE FUNCTION polls_guard_option();
CREATE TRIGGER polls_option_guard_update BEFORE UPDATE ON polls_option
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION polls_guard_option();

CREATE FUNCTION polls_note_correction()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT polls_hold_votes(NEW.poll_id) THEN
        PERFORM polls_refuse('polls_correction_with_votes', 'A poll without votes is edited, not corrected');
    END IF;
    NEW.before := CASE NEW.field
        WHEN 'title' THEN (SELECT title FROM polls_poll WHERE id = NEW.poll_id)
        WHEN 'description' THEN (SELECT description FROM polls_poll WHERE id = NEW.poll_id)
        ELSE (SELECT text FROM polls_option WHERE id = NEW.option_id AND poll_id = NEW.poll_id)
    END;
    IF NEW.before IS NULL THEN
        PERFORM polls_refuse('polls_correction_target', 'This is no option of the poll');
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION polls_correct()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE polls_poll SET title = NEW.after WHERE id = NEW.poll_id AND NEW.field = 'title';
    UPDATE polls_poll SET description = NEW.after WHERE id = NEW.poll_id AND NEW.field = 'description';
    UPDATE polls_option SET text = NEW.after WHERE id = NEW.option_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER polls_correction_note BEFORE INSERT ON polls_correction
    FOR EACH ROW EXECUTE FUNCTION polls_note_correction();
CREATE TRIGGER polls_correction_apply AFTER INSERT ON polls_correction
    FOR EACH ROW EXECUTE FUNCTION polls_correct();

-- SHA-256 of what voters were asked, as it was before any correction: a JSON array of title, description, rules and
-- option texts in order, spelt as Python's json.dumps(..., ensure_ascii=False) spells it.
CREATE FUNCTION polls_content_hash(asked bigint)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(sha256(convert_to((
        jsonb_build_array(
            coalesce((SELECT before FROM polls_correction WHERE poll_id = asked AND field = 'title'
                       ORDER BY id LIMIT 1), title),
            coalesce((SELECT before FROM polls_correction WHERE poll_id = asked AND field = 'description'
                       ORDER BY id LIMIT 1), description),
            audience, named, changeable, min_choices, max_choices, draw_source
        ) || coalesce((
            SELECT jsonb_agg(
                       coalesce((SELECT before FROM polls_correction AS c WHERE c.option_id = o.id
                                  ORDER BY c.id LIMIT 1), o.text)
                       ORDER BY o.position, o.id)
              FROM polls_option AS o WHERE o.poll_id = asked
        ), '[]')
    )::text, 'UTF8')), 'hex')
      FROM polls_poll WHERE id = asked
$$;
"""

DRAWS = """
ALTER TABLE polls_secret
    ADD CONSTRAINT polls_secret_poll FOREIGN KEY (poll_id) REFERENCES polls_poll (id) ON DELETE CASCADE,
    ADD CONSTRAINT polls_secret_committed CHECK (commitment = encode(sha256(secret), 'hex'));

-- 32 bytes from the server's strong random numbers, of which a UUID holds 122 bits; pgcrypto is not everywhere.
CREATE FUNCTION polls_random_bytes()
RETURNS bytea LANGUAGE sql VOLATILE AS $$
    SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
$$;

CREATE FUNCTION polls_make_secret()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    secret CONSTANT bytea := polls_random_bytes();
BEGIN
    INSERT INTO polls_secret (poll_id, secret, commitment) VALUES (NEW.id, secret, encode(sha256(secret), 'hex'));
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
SELECT id, made.secret, encode(sha256(made.secret), 'hex')
  FROM (SELECT id, polls_random_bytes() AS secret FROM polls_poll) AS made;

-- Draws are numbered without gaps, and only of a closed poll: two at once wait for each other here.
CREATE FUNCTION polls_guard_draw()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM polls_hold_votes(NEW.poll_id);
    IF NOT EXISTS (SELECT FROM polls_poll WHERE id = NEW.poll_id AND closes_at <= clock_timestamp()) THEN
        PERFORM polls_refuse('polls_draw_after_closing', 'A winner is drawn after the poll has closed');
    END IF;
    IF NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM polls_draw WHERE poll_id = NEW.poll_id) THEN
        PERFORM polls_refuse('polls_draw_number', 'Another draw was made meanwhile');
    END IF;
    IF EXISTS (SELECT FROM polls_poll WHERE id = NEW.poll_id AND draw_source <> '' AND NEW.public_value = '') THEN
        PERFORM polls_refuse('polls_draw_public_value', 'The public value that was announced is missing');
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER polls_draw_guard BEFORE INSERT ON polls_draw
    FOR EACH ROW EXECUTE FUNCTION polls_guard_draw();

-- Reopening a poll after a draw would change who was in it.
CREATE FUNCTION polls_guard_drawn()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM polls_hold_votes(OLD.id);
    IF EXISTS (SELECT FROM polls_draw WHERE poll_id = OLD.id) THEN
        PERFORM polls_refuse('polls_poll_drawn', 'A poll with a draw stays closed');
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER polls_poll_guard_drawn BEFORE UPDATE ON polls_poll
    FOR EACH ROW WHEN (OLD.closes_at IS DISTINCT FROM NEW.closes_at) EXECUTE FUNCTION polls_guard_drawn();
"""

REVERSE = """
DROP FUNCTION polls_guard_drawn, polls_guard_draw, polls_make_secret, polls_random_bytes, polls_content_hash,
    polls_correct, polls_note_correction, polls_guard_content, polls_log_change, polls_append_only, polls_actor CASCADE;
ALTER TABLE polls_secret DROP CONSTRAINT polls_secret_poll, DROP CONSTRAINT polls_secret_committed;
DROP TRIGGER IF EXISTS polls_option_guard_update ON polls_option;
DROP TRIGGER IF EXISTS polls_option_guard ON polls_option;
CREATE TRIGGER polls_option_guard BEFORE INSERT OR UPDATE OR DELETE ON polls_option
    FOR EACH ROW EXECUTE FUNCTION polls_guard_option();
"""


class Migration(migrations.Migration):
    dependencies = (("polls", "0003_trust_tables"),)
    operations = (migrations.RunSQL([TRAIL, CONTENT, DRAWS], REVERSE),)
