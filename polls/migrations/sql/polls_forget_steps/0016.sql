-- The options in `touched` were added or removed, so there is no vote, and what was counted is gone with the votes.
CREATE OR REPLACE FUNCTION polls_forget_steps()
RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM polls_step WHERE poll_id IN (SELECT poll_id FROM touched);
    RETURN NULL;
END
$$;
