CREATE OR REPLACE FUNCTION polls_append_only()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM polls_refuse(TG_TABLE_NAME || '_append_only', 'What is written here stays as it is');
    RETURN NULL;
END
$$;
