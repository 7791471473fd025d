CREATE OR REPLACE FUNCTION polls_refuse(rule text, reason text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', reason USING ERRCODE = 'check_violation', CONSTRAINT = rule;
END
$$;
