-- Wait for the votes under way; then refuse, unless the poll is closed.
CREATE OR REPLACE FUNCTION polls_hold_closed(asked bigint)
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
