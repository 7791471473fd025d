CREATE OR REPLACE FUNCTION polls_by_triggers()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM polls_refuse(TG_TABLE_NAME || '_by_triggers', 'This is written by triggers only');
    RETURN NULL;
END
$$;
