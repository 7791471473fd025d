-- A vote stays in its poll and with its voter: otherwise one could be moved to where it was refused.
CREATE OR REPLACE FUNCTION polls_pin_vote()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM polls_refuse('polls_vote_pinned', 'A vote keeps its poll and its voter');
    RETURN NULL;
END
$$;
