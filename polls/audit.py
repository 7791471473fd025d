"""The audit of a poll: counts, hashes and draws are computed again and compared with what is stored and shown."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timezone
from typing import TYPE_CHECKING, NamedTuple

from polls import draws, queries

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

CODES_A_READ = 100_000


class Verdict(NamedTuple):
    """What was compared, and one line for each difference. Its fields are the keys of verify_poll --json."""

    slug: str
    voters: int
    draws: int
    content_hash: str
    commitment: str
    differences: list[str]
    checkpoints: int


def verify(conn: "Connection", slug: str, progress: Callable[[int], object]) -> Verdict:
    """Verify a poll, from one snapshot of the database. `progress` is called with the number of entries computed since.

    The connection must be new: it becomes read-only. Raises PollNotFound.
    """
    conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with conn:
        secret = queries.get_secret(conn, slug)
        counts = queries.count_votes(conn, secret.poll_id)
        options = queries.count_choices(conn, secret.poll_id)
        content = queries.get_content(conn, secret.poll_id)
        rows = queries.list_draws(conn, secret.poll_id)
        cuts = queries.list_cuts(conn, secret.poll_id)
        differences = [
            *_votes(counts, options),
            *_results(conn, slug, counts, options),
            *_content(content),
            *_draws(conn, secret, rows, progress),
            *_journal(conn, secret.poll_id, progress),
            *_checkpoints(conn, slug, secret.poll_id, cuts, progress),
            *(f"{what}: otherwise than in the trail" for what in queries.list_contradictions(conn, secret.poll_id)),
        ]
    return Verdict(slug, counts.votes, len(rows), content.content_hash, secret.commitment, differences, len(cuts))


def _votes(counts: queries.VoteCounts, options: list[queries.OptionCount]) -> Iterator[str]:
    if counts.turnout != counts.votes:
        yield f"turnout: {counts.turnout} stored, {counts.votes} votes"
    for option in options:
        if option.text is None:
            yield f"option {option.option_id}: {option.votes} votes and a tally of {option.tally}, not of this poll"
        elif option.tally != option.votes:
            yield f"tally of {option.text!a}: {option.tally} stored, {option.votes} votes"
    for count, rule in (
        (counts.outside_window, "cast while the poll was not open"),
        (counts.wrong_number, "with too few or too many choices"),
        (counts.repeated, "with a choice twice"),
    ):
        if count:
            yield f"votes: {count} {rule}"


def _results(
    conn: "Connection", slug: str, counts: queries.VoteCounts, options: list[queries.OptionCount]
) -> Iterator[str]:
    owner_id = queries.get_poll(conn, slug).poll.owner_id
    shown = queries.get_results(conn, slug, viewer_id=owner_id)
    # For the owner only, and there is no owner; shown to no one before it has closed; or not all votes are in them yet.
    if not shown.visible or shown.in_steps:
        return
    if shown.voter_count != counts.votes:
        yield f"results: {shown.voter_count} voters shown, {counts.votes} votes"
    votes = {option.option_id: option.votes for option in options}
    for option in shown.options:
        if option.votes != votes.get(option.id):
            yield f"results of {option.text!a}: {option.votes} shown, {votes.get(option.id)} votes"


def _content(content: queries.Content) -> Iterator[str]:
    computed = hashlib.sha256(json.dumps(content.asked, ensure_ascii=False).encode()).hexdigest()
    if computed != content.content_hash:
        yield f"content hash: {content.content_hash} shown, {computed} computed"


def _draws(
    conn: "Connection", secret: queries.SecretRow, rows: list[queries.DrawRow], progress: Callable[[int], object]
) -> Iterator[str]:
    if draws.commitment_to(secret.root) != secret.commitment:
        yield "commitment: not that of the stored secret"
    for frozen in queries.list_entries(conn, secret.poll_id):
        among = "everybody who voted" if frozen.option_id is None else f"option {frozen.option_id}"
        entries = _frozen_codes(conn, secret.poll_id, frozen.option_id)
        if hashlib.sha256(draws.entries_file(entries)).hexdigest() != frozen.hash:
            yield f"entries of {among}: not those of the hash {frozen.hash}"
        voters = _counted(queries.stream_voters(conn, secret.poll_id, frozen.option_id), progress)
        present = set(draws.entries_of(secret.root, frozen.option_id, voters))
        if gone := len(set(entries) - present):
            yield f"entries of {among}: {gone} of {len(entries)} without a vote"
        if new := len(present.difference(entries)):
            yield f"entries of {among}: {new} votes without an entry"
        for draw in rows:
            if draw.option_id == frozen.option_id:
                yield from _draw(secret.root, draw, entries)
    if [draw.number for draw in rows] != list(range(1, len(rows) + 1)):
        yield f"draws: {', '.join(str(draw.number) for draw in rows)} are there, and some are missing"


def _draw(root: bytes, draw: queries.DrawRow, entries: list[str]) -> Iterator[str]:
    secret = draws.secret_of(root, draw.number)
    if draw.secret != secret:
        yield f"draw {draw.number}: the secret is not the one that was committed to"
    if not entries:
        return
    outcome = draws.draw(secret, draw.entries_hash, draw.public_value, draw.number, entries)
    if draw.winner != outcome.winner:
        yield f"draw {draw.number}: winner {draw.winner} stored, {outcome.winner} computed"
    if draw.alternates != outcome.alternates:
        yield f"draw {draw.number}: the alternates are not those computed"


def _journal(conn: "Connection", poll_id: int, progress: Callable[[int], object]) -> Iterator[str]:
    """Compare the leaves of the votes with what the journal has added and not removed."""
    expected: Counter[bytes] = Counter()
    for entry in queries.stream_journal(conn, poll_id):
        progress(1)
        if entry.added is not None:
            expected[entry.added] += 1
        if entry.removed is not None:
            expected[entry.removed] -= 1
    for leaf in queries.stream_leaves(conn, poll_id):
        progress(1)
        expected[leaf] -= 1
    if missing := sum(number for number in expected.values() if number > 0):
        yield f"journal: {missing} votes are not there as it has them"
    if new := -sum(number for number in expected.values() if number < 0):
        yield f"journal: {new} votes that it does not have"


def _checkpoints(
    conn: "Connection",
    slug: str,
    poll_id: int,
    cuts: list[tuple[queries.BatchRow, int]],
    progress: Callable[[int], object],
) -> Iterator[str]:
    """Compute the chain of checkpoints again from the journal. Its first break is named: what follows hangs on it."""
    entries = queries.stream_journal(conn, poll_id)
    entry = next(entries, None)
    link = hashlib.sha256(slug.encode()).digest()
    for number, (checkpoint, upto) in enumerate(cuts, 1):
        lines: list[bytes] = []
        while entry is not None and entry.number <= upto:
            lines += (sign + leaf for sign, leaf in ((b"+", entry.added), (b"-", entry.removed)) if leaf is not None)
            progress(1)
            entry = next(entries, None)
        link = hashlib.sha256(link + _head(checkpoint) + b"".join(sorted(lines))).digest()
        if checkpoint.number != number:
            yield f"checkpoint {number}: missing"
            return
        if checkpoint.hash != link.hex() or checkpoint.entries != len(lines):
            yield f"checkpoint {number}: {checkpoint.hash} stored, {link.hex()} computed"
            return


def _head(checkpoint: queries.BatchRow) -> bytes:
    """Return the hash of what a checkpoint says besides its votes."""
    taken_at = checkpoint.taken_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = "closed" if checkpoint.closing else "open"
    option_ids = ",".join(map(str, checkpoint.option_ids))
    head = f"{checkpoint.number} {taken_at} {state} {checkpoint.content_hash} {option_ids}"
    return hashlib.sha256(head.encode()).digest()


def _frozen_codes(conn: "Connection", poll_id: int, option_id: int | None) -> list[str]:
    codes: list[str] = []
    while part := queries.get_codes(conn, poll_id, option_id, after=len(codes), limit=CODES_A_READ):
        codes += draws.unpack(part)
    return codes


def _counted(voters: Iterator[str], progress: Callable[[int], object]) -> Iterator[str]:
    for voter in voters:
        progress(1)
        yield voter
