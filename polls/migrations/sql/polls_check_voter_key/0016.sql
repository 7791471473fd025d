-- polls.key_id is the id of the VOTER_KEY under which a vote is written, set by the statement that writes it. The first
-- vote of a poll records it, and later ones must be written under the same: with another key, each voter is a new one.
CREATE OR REPLACE FUNCTION polls_check_voter_key()
RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    present CONSTANT text := current_setting('polls.key_id');
BEGIN
    IF NOT EXISTS (
        SELECT FROM written LEFT JOIN polls_pollkey USING (poll_id) WHERE key_id IS DISTINCT FROM present
    ) THEN
        RETURN NULL;
    END IF;

    -- Waits for another first vote under way. The statement after it then sees what that vote has recorded.
    INSERT INTO polls_pollkey (poll_id, key_id)
    SELECT DISTINCT poll_id, present FROM written ORDER BY poll_id
        ON CONFLICT (poll_id) DO NOTHING;

    -- Accounts and invitations of named polls are stored as they are, under no key.
    IF EXISTS (
        SELECT
          FROM written
          JOIN polls_pollkey USING (poll_id)
          JOIN polls_poll AS poll ON poll.id = poll_id
         WHERE key_id <> present AND NOT (named AND audience <> 'link')
    ) THEN
        PERFORM polls_refuse('polls_vote_voter_key', 'Votes in this poll stand under another VOTER_KEY');
    END IF;
    RETURN NULL;
END
$$;
