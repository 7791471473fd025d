"""Polls and their ballots."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.run import fetch_all, fetch_one


class PollRow(NamedTuple):
    """A poll and where it stands now: state is draft, scheduled, open, closed or archived."""

    id: int
    slug: str
    title: str
    description: str
    owner_id: int | None
    audience: str
    results: str
    named: bool
    changeable: bool
    shuffled: bool
    listed: bool
    min_choices: int
    max_choices: int
    draw_source: str
    time_zone: str
    opens_at: datetime | None
    closes_at: datetime | None
    state: str


class OptionRow(NamedTuple):
    """One option of a poll."""

    id: int
    text: str


class CorrectionRow(NamedTuple):
    """A typo that was mended after the first vote."""

    before: str
    after: str
    reason: str


class Seal(NamedTuple):
    """What holds a poll to its word: the hash of what was asked, the commitment to the secret of its draws, and the
    corrections since. `drawn` is the number of its latest draw, 0 where there is none."""

    content_hash: str
    commitment: str
    corrections: list[CorrectionRow]
    drawn: int


class Ballot(NamedTuple):
    """A poll with its options in order, and what the voter has chosen: None where no vote was cast."""

    poll: PollRow
    options: list[OptionRow]
    choices: list[int] | None
    seal: Seal


LIST_POLLS = """
SELECT id, slug, title, description, owner_id, audience, results, named, changeable, shuffled, listed,
       min_choices, max_choices, draw_source, time_zone, opens_at, closes_at,
       polls_state(opens_at, closes_at, archived_at) AS state
  FROM polls_poll AS poll
  LEFT JOIN LATERAL (
    -- Turnout that not everybody may see is not to be read off the order either.
    SELECT sum(voters) AS voters FROM polls_turnout AS turnout
     WHERE turnout.poll_id = poll.id AND poll.results = 'always' AND %(by_votes)s
  ) AS shown ON true
 WHERE listed
   AND polls_state(opens_at, closes_at, archived_at) = 'open'
   AND strpos(lower(title), lower(%(search)s)) > 0
 ORDER BY voters DESC NULLS LAST, opens_at DESC, id DESC
 LIMIT %(limit)s OFFSET %(offset)s
"""


def list_polls(
    conn: Connection, *, search: str = "", by_votes: bool = False, limit: int = 20, offset: int = 0
) -> list[PollRow]:
    """Return open, listed polls whose title contains `search` in any case: newest first, or most votes first.

    Polls whose results are not for everybody come after those that are, as if nobody had voted.
    """
    rows = fetch_all(conn, LIST_POLLS, search=search, by_votes=by_votes, limit=limit, offset=offset)
    return [PollRow(*row) for row in rows]


GET_POLL = """
SELECT id, slug, title, description, owner_id, audience, results, named, changeable, shuffled, listed,
       min_choices, max_choices, draw_source, time_zone, opens_at, closes_at,
       polls_state(opens_at, closes_at, archived_at) AS state,
       ARRAY(SELECT option.id FROM polls_option AS option
              WHERE option.poll_id = poll.id ORDER BY position, option.id) AS option_ids,
       ARRAY(SELECT option.text::text FROM polls_option AS option
              WHERE option.poll_id = poll.id ORDER BY position, option.id) AS option_texts,
       (SELECT vote.choices FROM polls_vote AS vote
         WHERE vote.poll_id = poll.id AND vote.voter = ANY (%(voters)s)) AS choices,
       polls_content_hash(id) AS content_hash,
       (SELECT commitment FROM polls_secret AS secret WHERE secret.poll_id = poll.id) AS commitment,
       (SELECT jsonb_agg(jsonb_build_array(before, after, reason) ORDER BY correction.id)
          FROM polls_correction AS correction WHERE correction.poll_id = poll.id) AS corrections,
       (SELECT coalesce(max(number), 0) FROM polls_draw AS draw WHERE draw.poll_id = poll.id) AS drawn
  FROM polls_poll AS poll
 WHERE slug = %(slug)s
"""


def get_poll(conn: Connection, slug: str, *, voters: Sequence[str] = ()) -> Ballot:
    """Return a poll with its options, and what the voter with one of these keys has chosen. Raises PollNotFound."""
    *poll, option_ids, option_texts, choices, content_hash, commitment, corrections, drawn = fetch_one(
        conn, GET_POLL, slug=slug, voters=list(voters)
    )
    options = [OptionRow(*option) for option in zip(option_ids, option_texts, strict=True)]
    return Ballot(PollRow(*poll), options, choices, make_seal(content_hash, commitment, corrections, drawn))


FIND_SLUG = """
SELECT slug FROM polls_poll WHERE right(slug, 10) = %(code)s AND opens_at IS NOT NULL ORDER BY id LIMIT 1
"""


def find_slug(conn: Connection, code: str) -> str | None:
    """Return the address of the poll whose address ends in `code`, the random part of it; None where there is none."""
    rows = fetch_all(conn, FIND_SLUG, code=code)
    return str(rows[0][0]) if rows else None


def make_seal(content_hash: str, commitment: str, corrections: list[list[str]] | None, drawn: int) -> Seal:
    """Return the seal of a poll from the columns that tell it."""
    return Seal(content_hash, commitment, [CorrectionRow(*correction) for correction in corrections or ()], drawn)
