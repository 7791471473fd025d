-- Add the votes in `counted`, times the trigger's argument: 1 or -1. A slot may fall below zero; their sum never does.
CREATE OR REPLACE FUNCTION polls_count_votes()
RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    sign CONSTANT integer := TG_ARGV[0];
    own_slot CONSTANT integer := pg_backend_pid() % 16;
BEGIN
    INSERT INTO polls_tally AS tally (poll_id, option_id, slot, votes)
    SELECT poll_id, option_id, own_slot, sign * count(*)
      FROM counted CROSS JOIN unnest(choices) AS option_id
     GROUP BY poll_id, option_id
     ORDER BY poll_id, option_id
        ON CONFLICT (poll_id, option_id, slot) DO UPDATE SET votes = tally.votes + excluded.votes;
    IF NOT FOUND THEN -- there are no votes: each has a choice
        RETURN NULL;
    END IF;

    INSERT INTO polls_turnout AS turnout (poll_id, slot, voters)
    SELECT poll_id, own_slot, sign * count(*)
      FROM counted
     GROUP BY poll_id
     ORDER BY poll_id
        ON CONFLICT (poll_id, slot) DO UPDATE SET voters = turnout.voters + excluded.voters;

    INSERT INTO polls_journal (poll_id, added, removed)
    SELECT poll_id,
           CASE sign WHEN 1 THEN polls_leaf(poll_id, voter, seal, choices) END,
           CASE sign WHEN -1 THEN polls_leaf(poll_id, voter, seal, choices) END
      FROM counted;
    RETURN NULL;
END
$$;
