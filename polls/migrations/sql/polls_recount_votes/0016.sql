-- A change of choices is one statement on the tally: taking away and then adding would lock rows in two orders.
CREATE OR REPLACE FUNCTION polls_recount_votes()
RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM new_votes) THEN
        RETURN NULL;
    END IF;
    INSERT INTO polls_tally AS tally (poll_id, option_id, slot, votes)
    SELECT poll_id, option_id, pg_backend_pid() % 16, sum(sign)
      FROM (SELECT poll_id, choices, 1 AS sign FROM new_votes
            UNION ALL
            SELECT poll_id, choices, -1 FROM old_votes) AS changed
     CROSS JOIN unnest(choices) AS option_id
     GROUP BY poll_id, option_id
    HAVING sum(sign) <> 0
     ORDER BY poll_id, option_id
        ON CONFLICT (poll_id, option_id, slot) DO UPDATE SET votes = tally.votes + excluded.votes;

    INSERT INTO polls_journal (poll_id, added, removed)
    SELECT after.poll_id, polls_leaf(after.poll_id, after.voter, after.seal, after.choices),
           polls_leaf(before.poll_id, before.voter, before.seal, before.choices)
      FROM new_votes AS after
      JOIN old_votes AS before USING (id)
     WHERE (after.voter, after.choices, after.seal) IS DISTINCT FROM (before.voter, before.choices, before.seal);
    RETURN NULL;
END
$$;
