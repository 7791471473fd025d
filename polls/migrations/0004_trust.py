"""What makes a poll checkable afterwards: a trail of events, and corrections that show."""

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

CONTENT = r"""
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

-- What a text looks like: compatibility forms, case, spaces and invisible characters make no difference.
CREATE FUNCTION polls_looks(text text)
RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT lower(btrim(regexp_replace(visible, '\s+', ' ', 'g')))
      FROM regexp_replace(normalize(text, NFKC), '[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]', '', 'g')
           AS visible
$$;

CREATE UNIQUE INDEX polls_option_looks ON polls_option (poll_id, polls_looks(text));

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

REVERSE = """
DROP FUNCTION polls_looks, polls_note_correction, polls_content_hash, polls_correct, polls_guard_content,
    polls_log_change, polls_append_only, polls_actor CASCADE;
DROP TRIGGER IF EXISTS polls_option_guard_update ON polls_option;
DROP TRIGGER IF EXISTS polls_option_guard ON polls_option;
CREATE TRIGGER polls_option_guard BEFORE INSERT OR UPDATE OR DELETE ON polls_option
    FOR EACH ROW EXECUTE FUNCTION polls_guard_option();
"""


class Migration(migrations.Migration):
    dependencies = (("polls", "0003_trust_tables"),)
    operations = (migrations.RunSQL([TRAIL, CONTENT], REVERSE),)
