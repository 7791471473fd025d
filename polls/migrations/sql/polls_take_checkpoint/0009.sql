-- Cut the entries of the journal since the last checkpoint into a batch, and chain its hash to the one before. No row is
-- written where there is nothing new, or where the last one is not a minute old and the poll is still open.
CREATE OR REPLACE FUNCTION polls_take_checkpoint()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    poll polls_poll;
    last polls_checkpoint;
    lines bytea;
BEGIN
    -- A snapshot as old as the transaction would not see the votes that were under way.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM polls_refuse('polls_checkpoint_read_committed',
            'Checkpoints are taken in READ COMMITTED transactions only');
    END IF;
    -- From here on no vote is under way: what the journal holds is committed, and what follows gets higher numbers.
    PERFORM pg_advisory_xact_lock(polls_lock_key(NEW.poll_id));
    SELECT * INTO poll FROM polls_poll WHERE id = NEW.poll_id;
    SELECT * INTO last FROM polls_checkpoint WHERE poll_id = NEW.poll_id ORDER BY number DESC LIMIT 1;
    NEW.taken_at := clock_timestamp();
    NEW.closing := coalesce(poll.closes_at <= NEW.taken_at, false);
    SELECT coalesce(max(number), last.upto, 0) INTO NEW.upto
      FROM polls_journal WHERE poll_id = NEW.poll_id AND number > coalesce(last.upto, 0);
    IF NEW.upto = coalesce(last.upto, 0) AND (NOT NEW.closing OR last.closing IS NOT false)
        OR NOT NEW.closing AND last.taken_at > NEW.taken_at - interval '1 minute'
    THEN
        RETURN NULL;
    END IF;
    NEW.number := coalesce(last.number, 0) + 1;
    -- Sorted, so that nobody learns the order of the votes in a batch, nor which vote replaced which.
    SELECT string_agg(line, '' ORDER BY line) INTO lines
      FROM (
        SELECT '+'::bytea || added AS line
          FROM polls_journal
         WHERE poll_id = NEW.poll_id AND number > coalesce(last.upto, 0) AND added IS NOT NULL
         UNION ALL
        SELECT '-'::bytea || removed
          FROM polls_journal
         WHERE poll_id = NEW.poll_id AND number > coalesce(last.upto, 0) AND removed IS NOT NULL
      ) AS entry;
    NEW.hash := encode(sha256(coalesce(decode(last.hash, 'hex'), sha256(convert_to(poll.slug, 'UTF8')))
                              || coalesce(lines, '')), 'hex');
    RETURN NEW;
END
$$;
