-- Cast a vote with an invitation, or change it, as polls_cast_vote does.
CREATE OR REPLACE FUNCTION polls_cast_invited_vote(
    asked text, key_id text, ballot text, chosen bigint[], seals bytea[],
    invited bigint, token text, named_voter text, hidden_voter text, new_seal bytea,
    OUT known boolean, OUT entitled boolean, OUT done boolean, OUT may_change boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('polls.key_id', $2, true);
    WITH poll AS (
        SELECT id, audience, named, changeable, CASE WHEN named THEN named_voter ELSE hidden_voter END AS voter
          FROM polls_poll
         WHERE slug = asked AND audience = 'invite' AND opens_at IS NOT NULL
    ), invite AS (
        -- Waits for a revocation or a new link under way and then reads the row again; makes later ones wait.
        SELECT invite.id
          FROM poll JOIN polls_invite AS invite ON invite.poll_id = poll.id
         WHERE invite.id = invited AND token_hash = token AND revoked_at IS NULL
           FOR SHARE OF invite
    ), vote AS (
        INSERT INTO polls_vote AS vote (poll_id, voter, choices, seal, ballot)
        SELECT poll.id, voter, chosen, new_seal, decode($3, 'hex')
          FROM poll CROSS JOIN invite
            ON CONFLICT (poll_id, voter) DO UPDATE
               SET choices = excluded.choices, ballot = excluded.ballot, seal = coalesce(vote.seal, excluded.seal)
             WHERE (SELECT changeable AND (vote.seal = ANY (seals)
                           OR vote.seal IS NULL AND (poll.audience = 'link' OR poll.named)) FROM poll)
        RETURNING id
    )
    SELECT count(*) > 0, EXISTS (SELECT FROM invite), EXISTS (SELECT FROM vote), coalesce(bool_or(changeable), false)
      INTO known, entitled, done, may_change
      FROM poll;
END
$$;
