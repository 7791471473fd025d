-- As what the one acts who writes an event: owner, staff, or operator for those at the server.
CREATE OR REPLACE FUNCTION polls_role()
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT left(coalesce(nullif(current_setting('polls.role', true), ''), 'operator'), 10)
$$;
