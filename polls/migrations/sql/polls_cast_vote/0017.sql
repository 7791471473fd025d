-- Cast a vote, or change it where the poll allows that and the voter holds its receipt. Here and not in the data layer,
-- because each connection plans it once: planned with every vote, it costs half as much again.
CREATE OR REPLACE FUNCTION polls_cast_vote(
    asked text, key_id text, ballot text, chosen bigint[], seals bytea[],
    named_browser text, hidden_browser text, browser_seal bytea,
    named_account text, hidden_account text, account_seal bytea,
    OUT known boolean, OUT entitled boolean, OUT done boolean, OUT may_change boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('polls.key_id', $2, true);
    WITH poll AS (
        SELECT id, audience, named, changeable,
               CASE audience
                   WHEN 'link' THEN CASE WHEN named THEN named_browser ELSE hidden_browser END
                   WHEN 'account' THEN CASE WHEN named THEN named_account ELSE hidden_account END
               END AS voter,
               CASE audience WHEN 'link' THEN browser_seal ELSE account_seal END AS seal
          FROM polls_poll
         WHERE slug = asked AND opens_at IS NOT NULL
    ), vote AS (
        INSERT INTO polls_vote AS vote (poll_id, voter, choices, seal, ballot)
        SELECT id, voter, chosen, seal, decode($3, 'hex')
          FROM poll
         WHERE voter IS NOT NULL
            ON CONFLICT (poll_id, voter) DO UPDATE
               SET choices = excluded.choices, ballot = excluded.ballot, seal = coalesce(vote.seal, excluded.seal)
             WHERE (SELECT changeable AND (vote.seal = ANY (seals)
                           OR vote.seal IS NULL AND (poll.audience = 'link' OR poll.named)) FROM poll)
        RETURNING id
    )
    SELECT count(*) > 0, count(voter) > 0, EXISTS (SELECT FROM vote), coalesce(bool_or(changeable), false)
      INTO known, entitled, done, may_change
      FROM poll;
END
$$;
