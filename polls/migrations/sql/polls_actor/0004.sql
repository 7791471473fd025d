-- The acting user: named by the data layer for one transaction, otherwise the user of the database.
CREATE OR REPLACE FUNCTION polls_actor()
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT left(coalesce(nullif(current_setting('polls.actor', true), ''), 'database user ' || session_user), 200)
$$;
