CREATE OR REPLACE FUNCTION polls_not_truncated()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM polls_refuse(TG_TABLE_NAME || '_not_truncated', 'What is written here is not truncated');
    RETURN NULL;
END
$$;
