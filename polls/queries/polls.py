"""Polls and their ballots."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from psycopg2.extensions import connection as Connection

from polls.choices import Audience, State, Visibility
from polls.queries.fetch import fetch_all, fetch_one
from polls.queries.prepared import Prepared
from polls.queries.secrecy import FEW_VOTERS
from polls.queries.votes import OWN_VOTE_COLUMNS, OWN_VOTE_JOINS, OwnVote, own_vote_parameters

# Characters of the random code at the end of each slug. The index polls_poll_code is on just that many.
CODE_LENGTH: Final = 10

# What a PollRow is made of, of polls_poll AS poll. Its last column, the state, follows in each statement.
POLL_COLUMNS = """poll.id, slug, title, description, owner_id, audience, results, named, changeable, shuffled, listed,
       locked, recountable, min_choices, max_choices, draw_source, time_zone, opens_at, closes_at, revision"""

# Two arrays, ids and texts, that make OptionRows.
OPTION_COLUMNS = """ARRAY(SELECT option.id FROM polls_option AS option
              WHERE option.poll_id = poll.id ORDER BY position, option.id) AS option_ids,
       ARRAY(SELECT option.text::text FROM polls_option AS option
              WHERE option.poll_id = poll.id ORDER BY position, option.id) AS option_texts"""

# What a Verification is made of.
VERIFICATION_COLUMNS = """content_hash,
       (SELECT commitment FROM polls_secret AS secret WHERE secret.poll_id = poll.id) AS commitment,
       (SELECT jsonb_agg(jsonb_build_array(before, after, reason) ORDER BY correction.id)
          FROM polls_correction AS correction WHERE correction.poll_id = poll.id) AS corrections,
       (SELECT coalesce(max(number), 0) FROM polls_draw AS draw WHERE draw.poll_id = poll.id) AS draw_count,
       (SELECT concat_ws(' ', count(*), max(event.at)) FROM polls_event AS event
         WHERE event.poll_id = poll.id AND NOT (event.action::text LIKE 'invite %%')) AS record_version"""


class StateProperties:
    """The state of a row as properties, so that pages ask `poll.is_open`."""

    state: str

    @property
    def is_draft(self) -> bool:
        """Whether only those who manage it can see it."""
        return self.state == State.DRAFT

    @property
    def is_scheduled(self) -> bool:
        """Whether it opens later."""
        return self.state == State.SCHEDULED

    @property
    def is_open(self) -> bool:
        """Whether people can vote."""
        return self.state == State.OPEN

    @property
    def is_closed(self) -> bool:
        """Whether it is closed, and not archived."""
        return self.state == State.CLOSED

    @property
    def is_archived(self) -> bool:
        """Whether it is archived."""
        return self.state == State.ARCHIVED

    @property
    def has_opened(self) -> bool:
        """Whether it is open or has been."""
        return not (self.is_draft or self.is_scheduled)

    @property
    def has_ended(self) -> bool:
        """Whether it is closed or archived."""
        return self.is_closed or self.is_archived


class PollColumns(NamedTuple):
    """The columns of a poll, and its state, one of polls.choices.State. The revision counts its changes."""

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
    locked: bool
    recountable: bool
    min_choices: int
    max_choices: int
    draw_source: str
    time_zone: str
    opens_at: datetime | None
    closes_at: datetime | None
    revision: int
    state: str


class PollRow(PollColumns, StateProperties):
    """A poll, and where it stands now."""

    __slots__ = ()

    @property
    def is_locked_now(self) -> bool:
        """Whether its rules, its times and the people invited are fixed: it is locked, and has opened."""
        return self.locked and self.has_opened

    @property
    def is_for_link(self) -> bool:
        """Whether anyone with the link may vote."""
        return self.audience == Audience.LINK

    @property
    def is_for_accounts(self) -> bool:
        """Whether signed-in users may vote."""
        return self.audience == Audience.ACCOUNT

    @property
    def is_for_invited(self) -> bool:
        """Whether invited people may vote."""
        return self.audience == Audience.INVITE

    @property
    def shows_results_always(self) -> bool:
        """Whether everyone sees the results at any time."""
        return self.results == Visibility.ALWAYS

    @property
    def shows_results_to_voters(self) -> bool:
        """Whether those who have voted see the results."""
        return self.results == Visibility.VOTED

    @property
    def shows_results_after_closing(self) -> bool:
        """Whether everyone sees the results after it has closed, and only the owner before."""
        return self.results == Visibility.CLOSED

    @property
    def shows_results_to_owner_only(self) -> bool:
        """Whether the owner alone sees the results."""
        return self.results == Visibility.OWNER

    @property
    def is_secret(self) -> bool:
        """Whether voters are people of whom no choice may become known: so no single vote shows while it is open."""
        return not self.named and not self.is_for_link

    @property
    def withholds_counts(self) -> bool:
        """Whether no one, not even the owner, sees counts before it has closed: the owner sees who has voted."""
        hidden = self.shows_results_after_closing or self.shows_results_to_owner_only
        return self.is_secret and self.is_for_invited and hidden

    @property
    def withholds_voters(self) -> bool:
        """Whether no one sees who has voted before it has closed: counts are shown instead."""
        return self.is_secret and self.is_for_invited and not self.withholds_counts


class OptionRow(NamedTuple):
    """One option of a poll."""

    id: int
    text: str


class CorrectionRow(NamedTuple):
    """A typo that was corrected after the first vote."""

    before: str
    after: str
    reason: str


class Verification(NamedTuple):
    """What a poll can be checked by: the hash of what voters are asked, the commitment to the secret of its draws, the
    corrections since the first vote, and how many draws there are, which is the number of the latest. While
    `record_version` is the same, get_record returns the same."""

    content_hash: str
    commitment: str
    corrections: list[CorrectionRow]
    draw_count: int
    record_version: str


class Ballot(NamedTuple):
    """A poll with its options in order, and the vote of the viewer."""

    poll: PollRow
    options: list[OptionRow]
    own: OwnVote
    verification: Verification

    @property
    def choices(self) -> list[int] | None:
        """What the viewer has chosen, None where there is no vote that is theirs to see."""
        return self.own.choices


class ListedPoll(NamedTuple):
    """An open poll as a list shows it."""

    slug: str
    title: str
    closes_at: datetime | None


LIST_POLLS = Prepared(f"""
SELECT slug, title, closes_at
  FROM polls_poll AS poll
  LEFT JOIN LATERAL (
    -- The order must not give away a turnout that is not public.
    SELECT CASE
               WHEN poll.named OR poll.audience = 'link' OR sum(voters) >= {FEW_VOTERS} THEN sum(voters)
               ELSE (SELECT max(step.voters) FROM polls_step AS step WHERE step.poll_id = poll.id)
           END AS voters
      FROM polls_turnout AS turnout
     WHERE turnout.poll_id = poll.id AND poll.results = 'always' AND %(by_votes)s
  ) AS shown ON true
 WHERE listed
   -- What costs least comes first: of thousands of polls, most have closed.
   AND archived_at IS NULL
   AND (closes_at IS NULL OR closes_at > statement_timestamp())
   AND polls_state(opens_at, closes_at, archived_at) = 'open'
   AND (%(search)s = '' OR strpos(lower(title), lower(%(search)s)) > 0)
 ORDER BY voters DESC NULLS LAST, opens_at DESC, id DESC
 LIMIT %(limit)s OFFSET %(offset)s
""")


def list_polls(
    conn: Connection, *, search: str = "", by_votes: bool = False, limit: int = 20, offset: int = 0
) -> list[ListedPoll]:
    """Return open, listed polls whose title contains `search` in any case: newest first, or most votes first.

    Polls whose results are not public come last, as if they had no votes.
    """
    rows = fetch_all(conn, LIST_POLLS, search=search, by_votes=by_votes, limit=limit, offset=offset)
    return [ListedPoll(*row) for row in rows]


GET_POLL = Prepared(f"""
SELECT {POLL_COLUMNS},
       polls_state(opens_at, closes_at, archived_at) AS state,
       {OPTION_COLUMNS},
       {OWN_VOTE_COLUMNS},
       {VERIFICATION_COLUMNS}
  FROM polls_poll AS poll
  {OWN_VOTE_JOINS}
 WHERE slug = %(slug)s
""")


def get_poll(
    conn: Connection,
    slug: str,
    *,
    voter_keys: Sequence[str] = (),
    seals: Sequence[bytes] = (),
    invitation: tuple[int, str] | None = None,
) -> Ballot:
    """Return a poll with its options, and the vote under one of these keys. Raises PollNotFound.

    `seals` are those of the viewer's receipts, and `invitation` is the id and the token's hash of the link they keep.
    """
    row = fetch_one(
        conn,
        GET_POLL,
        slug=slug,
        **own_vote_parameters(voter_keys, seals, invitation),
    )
    *poll, option_ids, option_texts = row[:-9]
    return Ballot(
        PollRow(*poll), make_options(option_ids, option_texts), OwnVote(*row[-9:-5]), make_verification(*row[-5:])
    )


FIND_SLUG = Prepared(f"""
SELECT slug FROM polls_poll WHERE right(slug, {CODE_LENGTH}) = %(code)s AND opens_at IS NOT NULL ORDER BY id LIMIT 1
""")


def find_slug(conn: Connection, code: str) -> str | None:
    """Return the slug that ends in `code`, None where there is none."""
    rows = fetch_all(conn, FIND_SLUG, code=code)
    return str(rows[0][0]) if rows else None


def make_options(ids: Sequence[int], texts: Sequence[str]) -> list[OptionRow]:
    """Return the rows for OPTION_COLUMNS."""
    return [OptionRow(*option) for option in zip(ids, texts, strict=True)]


def make_verification(
    content_hash: str, commitment: str, corrections: list[list[str]] | None, draw_count: int, record_version: str
) -> Verification:
    """Return the row for VERIFICATION_COLUMNS."""
    corrected = [CorrectionRow(*row) for row in corrections or ()]
    return Verification(content_hash, commitment, corrected, draw_count, record_version)
