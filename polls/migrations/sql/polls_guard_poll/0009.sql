CREATE OR REPLACE FUNCTION polls_guard_poll()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT polls_hold_votes(OLD.id) THEN
        IF TG_OP = 'DELETE' AND EXISTS (SELECT FROM polls_checkpoint WHERE poll_id = OLD.id) THEN
            PERFORM polls_refuse('polls_poll_kept', 'A poll that had votes is archived, not deleted');
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' THEN
        PERFORM polls_refuse('polls_poll_kept', 'A poll with votes is archived, not deleted');
    END IF;
    IF (OLD.id, OLD.slug, OLD.audience, OLD.named, OLD.changeable, OLD.shuffled, OLD.locked, OLD.recountable,
        OLD.min_choices, OLD.max_choices, OLD.opens_at)
        IS DISTINCT FROM
       (NEW.id, NEW.slug, NEW.audience, NEW.named, NEW.changeable, NEW.shuffled, NEW.locked, NEW.recountable,
        NEW.min_choices, NEW.max_choices, NEW.opens_at)
    THEN
        PERFORM polls_refuse('polls_poll_frozen', 'The rules of a poll are frozen from its first vote on');
    END IF;
    -- No closing in the past: votes were taken until now, when the lock was granted.
    IF NEW.closes_at < clock_timestamp() THEN
        NEW.closes_at := greatest(NEW.closes_at, least(OLD.closes_at, clock_timestamp()));
    END IF;
    RETURN NEW;
END
$$;
