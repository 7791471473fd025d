-- A poll that is deleted takes its journal along: all its votes were withdrawn before any checkpoint.
CREATE OR REPLACE FUNCTION polls_forget_journal()
RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM polls_journal WHERE poll_id = OLD.id;
    RETURN NULL;
END
$$;
