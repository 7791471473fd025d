-- Cut the entries of the journal since the last checkpoint into a batch, and chain its hash to the one before. No row is
-- written where there is nothing new, or where the last one is of this minute and the poll is still open.
CREATE OR REPLACE FUNCTION polls_take_checkpoint()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- Where choices become public, a batch has so many votes at least, so that nobody learns when which one was cast.
    company CONSTANT integer := 20;
    poll polls_poll;
    last polls_checkpoint;
    at timestamptz;
    lines bytea;
    head text;
BEGIN
    -- A snapshot as old as the transaction would not see the votes that were under way.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM polls_refuse('polls_checkpoint_read_committed',
            'Checkpoints are taken in READ COMMITTED transactions only');
    END IF;
    -- One after the other. Votes take another lock, and do not wait for this one.
    PERFORM pg_advisory_xact_lock(hashtextextended('polls_checkpoint', NEW.poll_id));
    SELECT * INTO last FROM polls_checkpoint WHERE poll_id = NEW.poll_id ORDER BY number DESC LIMIT 1;
    BEGIN
        -- While this waits, votes wait behind it: not for long, should one of them take its time.
        PERFORM set_config('lock_timeout', '200ms', true);
        PERFORM pg_advisory_xact_lock(polls_lock_key(NEW.poll_id));
        -- No vote is under way: what the journal holds is committed, and what follows gets higher numbers.
        at := clock_timestamp();
        SELECT * INTO poll FROM polls_poll WHERE id = NEW.poll_id;
        SELECT coalesce(max(number), last.upto, 0) INTO NEW.upto
          FROM polls_journal WHERE poll_id = NEW.poll_id AND number > coalesce(last.upto, 0);
        SELECT coalesce(array_agg(id ORDER BY position, id), '{}') INTO NEW.option_ids
          FROM polls_option WHERE poll_id = NEW.poll_id;
        -- Rolling back gives the lock back. Variables keep their values, and votes do not wait for what follows.
        RAISE EXCEPTION USING ERRCODE = 'CUT00';
    EXCEPTION
        WHEN SQLSTATE 'CUT00' THEN NULL;
        WHEN lock_not_available THEN RETURN NULL;
    END;
    NEW.closing := coalesce(poll.closes_at <= at, false);
    IF poll.recountable AND NOT NEW.closing THEN
        SELECT coalesce(max(number), last.upto, 0) INTO NEW.upto
          FROM (
            SELECT number,
                   sum(votes) OVER (ORDER BY number) AS before,
                   sum(votes) OVER (ORDER BY number DESC) - votes AS after
              FROM polls_journal
             CROSS JOIN LATERAL (SELECT num_nonnulls(added) - num_nonnulls(removed) AS votes) AS net
             WHERE poll_id = NEW.poll_id AND number > coalesce(last.upto, 0) AND number <= NEW.upto
          ) AS entry
         WHERE before >= company AND after >= company;
    END IF;
    IF NEW.upto = coalesce(last.upto, 0) AND (NOT NEW.closing OR last.closing IS NOT false)
        OR NOT NEW.closing AND polls_checkpoint_due(last.taken_at) IS false
    THEN
        RETURN NULL;
    END IF;
    NEW.number := coalesce(last.number, 0) + 1;
    NEW.taken_at := date_trunc('second', at);
    -- The content hash has the texts in the order of the ids, so that no vote can be made to count for another text.
    NEW.content_hash := poll.content_hash;
    head := concat_ws(' ', NEW.number, to_char(NEW.taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                      CASE WHEN NEW.closing THEN 'closed' ELSE 'open' END,
                      NEW.content_hash, array_to_string(NEW.option_ids, ','));
    -- Sorted, so that nobody learns the order of the votes in a batch, nor which vote replaced which.
    SELECT string_agg(line, '' ORDER BY line), count(*) INTO lines, NEW.entries
      FROM polls_journal
     CROSS JOIN LATERAL (VALUES ('+'::bytea || added), ('-'::bytea || removed)) AS entry (line)
     WHERE poll_id = NEW.poll_id AND number > coalesce(last.upto, 0) AND number <= NEW.upto AND line IS NOT NULL;
    NEW.hash := encode(sha256(coalesce(decode(last.hash, 'hex'), sha256(convert_to(poll.slug, 'UTF8')))
                              || sha256(convert_to(head, 'UTF8')) || coalesce(lines, '')), 'hex');
    RETURN NEW;
END
$$;
