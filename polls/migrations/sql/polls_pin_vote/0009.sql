-- A vote stays in its poll, with its voter and under its seal: otherwise one could be moved to where it was refused.
CREATE OR REPLACE FUNCTION polls_pin_vote()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM polls_refuse('polls_vote_pinned', 'A vote keeps its poll, its voter and its seal');
    RETURN NULL;
END
$$;
