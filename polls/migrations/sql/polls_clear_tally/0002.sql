CREATE OR REPLACE FUNCTION polls_clear_tally()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM polls_tally;
    DELETE FROM polls_turnout;
    RETURN NULL;
END
$$;
