"""Recounts from the votes themselves, for verify_poll, which takes no stored count for granted."""

from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all


class VoteCounts(NamedTuple):
    """The votes of a poll, the stored turnout, and how many votes break which rule."""

    votes: int
    turnout: int
    outside_window: int
    wrong_number: int
    repeated: int


class OptionCount(NamedTuple):
    """The votes for an option and its stored tally. `text` is None where the poll has no such option."""

    option_id: int
    text: str | None
    votes: int
    tally: int


class Content(NamedTuple):
    """What a ballot asks and promises, ending with the options, and the content hash."""

    asked: list[Any]
    content_hash: str


COUNT_VOTES = """
SELECT count(vote.id) AS votes,
       (SELECT coalesce(sum(turnout.voters), 0)::bigint FROM polls_turnout AS turnout
         WHERE turnout.poll_id = %(poll_id)s) AS turnout,
       count(vote.id) FILTER (WHERE (cast_at >= opens_at AND cast_at < coalesce(closes_at, 'infinity'))
                              IS NOT TRUE) AS outside_window,
       count(vote.id) FILTER (WHERE cardinality(choices) NOT BETWEEN min_choices AND max_choices) AS wrong_number,
       count(vote.id) FILTER (WHERE CASE WHEN cardinality(choices) > 1 THEN cardinality(choices) >
                              (SELECT count(DISTINCT choice) FROM unnest(choices) AS choice) END) AS repeated
  FROM polls_poll AS poll
  LEFT JOIN polls_vote AS vote ON vote.poll_id = poll.id
 WHERE poll.id = %(poll_id)s
"""


def count_votes(conn: Connection, poll_id: int) -> VoteCounts:
    """Count the votes of a poll. Reads each of them."""
    [row] = fetch_all(conn, COUNT_VOTES, poll_id=poll_id)
    return VoteCounts(*row)


COUNT_CHOICES = """
SELECT option_id, option.text::text AS text,
       coalesce(counted.votes, 0) AS votes, coalesce(tally.votes, 0)::bigint AS tally
  FROM (SELECT id AS option_id, text, position FROM polls_option WHERE poll_id = %(poll_id)s) AS option
  FULL JOIN (
    SELECT choice AS option_id, count(*) AS votes
      FROM polls_vote CROSS JOIN unnest(choices) AS choice
     WHERE poll_id = %(poll_id)s
     GROUP BY choice
  ) AS counted USING (option_id)
  FULL JOIN (
    SELECT tally.option_id, sum(tally.votes) AS votes
      FROM polls_tally AS tally
     WHERE poll_id = %(poll_id)s
     GROUP BY tally.option_id
  ) AS tally USING (option_id)
 ORDER BY position, option_id
"""


def count_choices(conn: Connection, poll_id: int) -> list[OptionCount]:
    """Count the votes for each option. Reads each vote; includes options of other polls that votes name."""
    return [OptionCount(*row) for row in fetch_all(conn, COUNT_CHOICES, poll_id=poll_id)]


GET_CONTENT = """
SELECT jsonb_build_array(title, description, audience, results, named, changeable, shuffled, locked, recountable,
                         min_choices, max_choices, draw_source)
       || coalesce((SELECT jsonb_agg(text ORDER BY position, id)
                      FROM polls_option AS option WHERE option.poll_id = poll.id), '[]') AS asked,
       content_hash
  FROM polls_poll AS poll
 WHERE id = %(poll_id)s
"""


def get_content(conn: Connection, poll_id: int) -> Content:
    """Return what the content hash of a poll is made of, and the hash that the database keeps."""
    [row] = fetch_all(conn, GET_CONTENT, poll_id=poll_id)
    return Content(*row)


CONTRADICTIONS = """
WITH said AS (
    SELECT event.id, split_part(action, ' ', 1) AS kind, action, details
      FROM polls_event AS event
     WHERE poll_id = %(poll_id)s
), poll AS (
    SELECT DISTINCT ON (key) key, value -> 1 AS value
      FROM said CROSS JOIN jsonb_each(details)
     WHERE kind = 'poll'
     ORDER BY key, id DESC
), text AS (
    -- The texts of the options that were added, less those removed, less those that exist: nothing may remain.
    SELECT text, sum(sign) AS missing
      FROM (SELECT details -> 'text' ->> 1 AS text, 1 AS sign FROM said WHERE kind = 'option'
            UNION ALL
            SELECT details -> 'text' ->> 0, -1 FROM said WHERE kind = 'option'
            UNION ALL
            SELECT option.text, -1 FROM polls_option AS option WHERE poll_id = %(poll_id)s) AS counted
     WHERE text IS NOT NULL
     GROUP BY text
)
SELECT format('%%s of the poll', key) AS what
  FROM poll CROSS JOIN (SELECT to_jsonb(poll) AS row FROM polls_poll AS poll WHERE id = %(poll_id)s) AS now
 WHERE CASE WHEN key IN ('opens_at', 'closes_at', 'archived_at')
            THEN (value #>> '{}')::timestamptz IS DISTINCT FROM (row ->> key)::timestamptz
            WHEN key IN ('slug', 'title', 'description', 'audience', 'results', 'named', 'changeable', 'shuffled',
                         'locked', 'recountable', 'min_choices', 'max_choices', 'draw_source')
            THEN value IS DISTINCT FROM row -> key
            ELSE false END
 UNION ALL
SELECT format('option %%s', to_jsonb(text)) FROM text
 WHERE missing <> 0 AND EXISTS (SELECT FROM said WHERE action = 'poll added')
 UNION ALL
SELECT format('correction %%s', correction.id) FROM polls_correction AS correction
 WHERE poll_id = %(poll_id)s AND before <> after
   AND NOT EXISTS (SELECT FROM said WHERE details -> CASE field WHEN 'option' THEN 'text' ELSE field END
                      = jsonb_build_array(before, after))
 UNION ALL
SELECT 'commitment' FROM said
 WHERE action = 'secret added'
   AND NOT EXISTS (SELECT FROM polls_secret WHERE poll_id = %(poll_id)s
                      AND commitment = details -> 'commitment' ->> 1)
 UNION ALL
SELECT format('frozen entries %%s', details -> 'hash' ->> 1) FROM said
 WHERE action = 'entries added'
   AND NOT EXISTS (SELECT FROM polls_entries WHERE poll_id = %(poll_id)s
                      AND option_id IS NOT DISTINCT FROM (details -> 'option_id' ->> 1)::bigint
                      AND hash = details -> 'hash' ->> 1)
 UNION ALL
SELECT format('draw %%s', details -> 'number' ->> 1) FROM said
 WHERE action = 'draw added'
   AND NOT EXISTS (SELECT FROM polls_draw AS draw WHERE draw.poll_id = %(poll_id)s
                      AND to_jsonb(draw) - 'drawn_at' @> (
                        SELECT jsonb_object_agg(key, value -> 1) - 'drawn_at' FROM jsonb_each(details)))
"""


def list_contradictions(conn: Connection, poll_id: int) -> list[str]:
    """Return what differs from what the events say, because it was changed without the triggers that write them."""
    return [what for (what,) in fetch_all(conn, CONTRADICTIONS, poll_id=poll_id)]
