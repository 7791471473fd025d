-- Wait for the votes under way on this poll, hold back new ones, and say whether there are any.
CREATE OR REPLACE FUNCTION polls_hold_votes(poll_id bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(polls_lock_key(poll_id));
    RETURN EXISTS (SELECT FROM polls_vote AS vote WHERE vote.poll_id = polls_hold_votes.poll_id);
END
$$;
