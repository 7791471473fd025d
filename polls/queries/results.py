"""Results, behind the one gate that decides who sees them."""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.checkpoints import LATEST_CHECKPOINT, LATEST_COLUMNS, CheckpointRow, make_checkpoint
from polls.queries.fetch import fetch_one
from polls.queries.polls import POLL_COLUMNS, VERIFICATION_COLUMNS, PollRow, Verification, make_verification
from polls.queries.prepared import Prepared
from polls.queries.secrecy import COUNTS_WITHHELD, IN_STEPS, get_step
from polls.queries.votes import OWN_VOTE_COLUMNS, OWN_VOTE_JOINS, OwnVote, own_vote_parameters


class OptionResult(NamedTuple):
    """An option and its votes. `share` is in percent of the voters, 0.0 where there are none."""

    id: int
    text: str
    votes: int
    share: float


class Results(NamedTuple):
    """What one viewer may see of the results: where not `visible`, voter_count is 0 and each option has 0 votes.

    `own` is the vote of the viewer, and `voter_key` its key, None where there is no vote that is theirs to see. While
    `in_steps`, these are the counts of the last step, for every viewer alike; where `step_due`, take_steps brings them
    forward. `checkpoint` is the latest one; `unchecked` says that the poll is closed and lacks one.
    """

    poll: PollRow
    visible: bool
    voter_count: int
    options: list[OptionResult]
    own: OwnVote
    voter_key: str | None
    verification: Verification
    in_steps: bool
    step_due: bool
    checkpoint: CheckpointRow | None
    unchecked: bool

    @property
    def choices(self) -> list[int] | None:
        """What the viewer has chosen, None where there is no vote that is theirs to see."""
        return self.own.choices


GET_RESULTS = Prepared(f"""
SELECT {POLL_COLUMNS},
       state, visible,
       visible AND in_steps AS in_steps,
       CASE WHEN exact THEN turnout.voters ELSE 0 END AS voter_count,
       option_ids,
       option_texts,
       CASE WHEN exact THEN option_votes ELSE array_fill(0::bigint, ARRAY[cardinality(option_ids)]) END AS votes,
       CASE WHEN proven THEN vote.voter END AS voter_key,
       {OWN_VOTE_COLUMNS},
       {VERIFICATION_COLUMNS},
       {LATEST_COLUMNS}
  FROM polls_poll AS poll
  {OWN_VOTE_JOINS}
  {LATEST_CHECKPOINT}
 CROSS JOIN LATERAL (SELECT polls_state(opens_at, closes_at, archived_at) AS state) AS now
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(voters), 0)::bigint AS voters FROM polls_turnout WHERE poll_id = poll.id
 ) AS turnout
 CROSS JOIN LATERAL (
    SELECT NOT {COUNTS_WITHHELD}
       AND (%(sees_all)s
            OR poll.owner_id IS NOT DISTINCT FROM %(viewer_id)s::integer AND poll.owner_id IS NOT NULL
            OR CASE poll.results
                   WHEN 'always' THEN true
                   WHEN 'voted' THEN voted
                   WHEN 'closed' THEN state IN ('closed', 'archived')
                   ELSE false
               END) AS visible,
           {IN_STEPS} AS in_steps
 ) AS gate
 CROSS JOIN LATERAL (SELECT visible AND NOT in_steps AS exact) AS given
 CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(option.id ORDER BY position, option.id), '{{}}') AS option_ids,
           coalesce(array_agg(option.text::text ORDER BY position, option.id), '{{}}') AS option_texts,
           coalesce(array_agg(coalesce(counted.votes, 0) ORDER BY position, option.id), '{{}}') AS option_votes
      FROM polls_option AS option
      LEFT JOIN (
        SELECT option_id, sum(votes)::bigint AS votes FROM polls_tally WHERE poll_id = poll.id GROUP BY option_id
     ) AS counted ON counted.option_id = option.id
     WHERE option.poll_id = poll.id
 ) AS counts
 WHERE slug = %(slug)s
""")


def get_results(
    conn: Connection,
    slug: str,
    *,
    voter_keys: Sequence[str] = (),
    seals: Sequence[bytes] = (),
    invitation: tuple[int, str] | None = None,
    viewer_id: int | None = None,
    sees_all: bool = False,
) -> Results:
    """Return the results of a poll, as far as this viewer may see them. Raises PollNotFound.

    The gate is in the statement, so that no page, feed or export can forget it. `viewer_id` is the id of a
    signed-in user, `sees_all` says whether they see the results of every poll, and the rest tells get_poll as well who
    is looking. Reads the tally, which costs the same for ten votes as for ten million. Where counts come in steps, the
    statement tells none, and another one reads the last step.
    """
    found = fetch_one(
        conn,
        GET_RESULTS,
        slug=slug,
        **own_vote_parameters(voter_keys, seals, invitation),
        viewer_id=viewer_id,
        sees_all=sees_all,
    )
    *row, number, taken_at, digest, closing, unchecked = found
    *poll, visible, in_steps, voter_count, option_ids, option_texts, votes, voter_key = row[:-9]
    step = get_step(conn, poll[0]) if in_steps else None
    if step:
        voter_count, votes = step.voters, [step.votes.get(str(option_id), 0) for option_id in option_ids]
    options = [
        OptionResult(option_id, text, number, 100 * number / voter_count if voter_count else 0.0)
        for option_id, text, number in zip(option_ids, option_texts, votes, strict=True)
    ]
    return Results(
        PollRow(*poll),
        visible,
        voter_count,
        options,
        OwnVote(*row[-9:-5]),
        voter_key,
        make_verification(*row[-5:]),
        in_steps,
        step is not None and step.is_due,
        make_checkpoint(number, taken_at, digest, closing),
        unchecked,
    )
