-- Log how many invitations a statement made, revoked, replaced or removed, as one event with a number and no names: the
-- public record shows it. Each invitation has an event of its own besides, for the owner.
CREATE OR REPLACE FUNCTION polls_log_invites()
RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        INSERT INTO polls_event (poll_id, at, actor, action, details)
        SELECT poll_id, clock_timestamp(), polls_actor(), 'invites added',
               jsonb_build_object('count', jsonb_build_array(NULL, count(*)))
          FROM new_invites
         GROUP BY poll_id;
    WHEN 'DELETE' THEN
        INSERT INTO polls_event (poll_id, at, actor, action, details)
        SELECT poll_id, clock_timestamp(), polls_actor(), 'invites removed',
               jsonb_build_object('count', jsonb_build_array(NULL, count(*)))
          FROM old_invites
         GROUP BY poll_id;
    ELSE
        INSERT INTO polls_event (poll_id, at, actor, action, details)
        SELECT after.poll_id, clock_timestamp(), polls_actor(), 'invites ' || done,
               jsonb_build_object('count', jsonb_build_array(NULL, count(*)))
          FROM new_invites AS after
          JOIN old_invites AS before USING (id)
         CROSS JOIN LATERAL (
            SELECT CASE WHEN before.token_hash <> after.token_hash OR before.issued_at <> after.issued_at THEN 'replaced'
                        WHEN before.revoked_at IS NULL THEN 'revoked'
                        ELSE 'changed' END AS done
         ) AS what
         WHERE before IS DISTINCT FROM after
         GROUP BY after.poll_id, done;
    END CASE;
    RETURN NULL;
END
$$;
