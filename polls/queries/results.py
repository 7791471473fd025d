"""Results, behind the gate that every path to them goes through."""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.polls import PollRow, Seal, make_seal
from polls.queries.run import fetch_one


class OptionResult(NamedTuple):
    """An option and its votes; share is in percent of the voters, 0.0 where nobody has voted."""

    id: int
    text: str
    votes: int
    share: float


class Results(NamedTuple):
    """What one viewer may see of a poll's results: where `visible` is false, voters is 0 and options are without
    votes. `choices` is what the viewer has chosen and `voter` the key it stands under, None where no vote was cast."""

    poll: PollRow
    visible: bool
    voters: int
    options: list[OptionResult]
    choices: list[int] | None
    voter: str | None
    seal: Seal


GET_RESULTS = """
SELECT poll.id, slug, title, description, owner_id, audience, results, named, changeable, shuffled, listed,
       min_choices, max_choices, draw_source, time_zone, opens_at, closes_at,
       state, visible,
       CASE WHEN visible THEN turnout.voters ELSE 0 END AS voters,
       option_ids,
       option_texts,
       CASE WHEN visible THEN option_votes ELSE array_fill(0::bigint, ARRAY[cardinality(option_ids)]) END AS votes,
       vote.choices,
       vote.voter,
       polls_content_hash(poll.id) AS content_hash,
       (SELECT commitment FROM polls_secret AS secret WHERE secret.poll_id = poll.id) AS commitment,
       (SELECT jsonb_agg(jsonb_build_array(before, after, reason) ORDER BY correction.id)
          FROM polls_correction AS correction WHERE correction.poll_id = poll.id) AS corrections,
       (SELECT coalesce(max(number), 0) FROM polls_draw AS draw WHERE draw.poll_id = poll.id) AS drawn
  FROM polls_poll AS poll
  LEFT JOIN polls_vote AS vote ON vote.poll_id = poll.id AND vote.voter = ANY (%(voters)s)
 CROSS JOIN LATERAL polls_state(opens_at, closes_at, archived_at) AS state
 CROSS JOIN LATERAL (
    SELECT poll.owner_id IS NOT DISTINCT FROM %(viewer_id)s::integer AND poll.owner_id IS NOT NULL
        OR CASE poll.results
               WHEN 'always' THEN true
               WHEN 'voted' THEN vote.id IS NOT NULL
               WHEN 'closed' THEN state IN ('closed', 'archived')
               ELSE false
           END AS visible
 ) AS gate
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(voters), 0)::bigint AS voters FROM polls_turnout WHERE poll_id = poll.id
 ) AS turnout
 CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(option.id ORDER BY position, option.id), '{}') AS option_ids,
           coalesce(array_agg(option.text::text ORDER BY position, option.id), '{}') AS option_texts,
           coalesce(array_agg(counted.votes ORDER BY position, option.id), '{}') AS option_votes
      FROM polls_option AS option
     CROSS JOIN LATERAL (
        SELECT coalesce(sum(tally.votes), 0)::bigint AS votes
          FROM polls_tally AS tally
         WHERE tally.poll_id = poll.id AND tally.option_id = option.id
     ) AS counted
     WHERE option.poll_id = poll.id
 ) AS counts
 WHERE slug = %(slug)s
"""


def get_results(conn: Connection, slug: str, *, voters: Sequence[str] = (), viewer_id: int | None = None) -> Results:
    """Return the results of a poll, as far as this viewer may see them. Raises PollNotFound.

    The gate stands here, in the statement: no page, feed or export can forget it. `viewer_id` is the
    id of a signed-in user. Costs the same for ten votes and for ten million: it reads the tally.
    """
    *poll, visible, count, ids, texts, votes, choices, voter, content_hash, commitment, corrections, drawn = fetch_one(
        conn, GET_RESULTS, slug=slug, voters=list(voters), viewer_id=viewer_id
    )
    options = [
        OptionResult(option_id, text, number, 100 * number / count if count else 0.0)
        for option_id, text, number in zip(ids, texts, votes, strict=True)
    ]
    seal = make_seal(content_hash, commitment, corrections, drawn)
    return Results(PollRow(*poll), visible, count, options, choices, voter, seal)
