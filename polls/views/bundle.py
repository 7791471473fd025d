"""What anyone can check a poll by: its checkpoints at any time, and after closing one file with all of its votes."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import Final

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from polls import draws, queries
from polls.database import pool
from polls.views.decorators import uncached
from polls.views.responses import streamed
from polls.views.shortcuts import results_or_404
from polls.views.viewers import viewer_of

FORMAT: Final = 1
BATCHES_A_READ = 1000
LINES_A_READ = 100_000  # each read goes through all lines of a batch
VOTES_A_READ = 100_000  # each read computes the receipts of all votes
VOTES_A_PART = 5000
CODES_A_READ = 10_000
RANGES: Final = 1 << 16  # as many as two bytes have values


@uncached
@require_safe
def checkpoints_json(request: HttpRequest, slug: str) -> JsonResponse:
    """Send all checkpoints: no numbers of votes, which would tell a hidden turnout."""
    results = results_or_404(slug)
    with pool().connection(autocommit=True) as conn:
        rows = queries.list_checkpoints(conn, results.poll.id)
    return JsonResponse(
        {
            "slug": slug,
            "checkpoints": [{**row._asdict(), "taken_at": written(row.taken_at)} for row in rows],
        }
    )


@uncached
@require_safe
def bundle_json(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Send what scripts/verify.py checks: every checkpoint with its lines, every vote by its receipt, and the draws.

    Results, choices and draws are there for those who may see the results.
    """
    viewer = viewer_of(request, slug)
    results = results_or_404(slug, **viewer.claims, viewer_id=viewer.user_id)
    if not results.poll.has_ended:
        return JsonResponse({"error": gettext("Votes are published when the poll has closed.")}, status=409)
    if results.unchecked:  # something holds the poll's lock
        return JsonResponse(
            {"error": gettext("The last checkpoint is not ready yet. Please try again.")},
            status=503,
            headers={"Retry-After": "5"},
        )
    return streamed(request, _parts(results), "application/json", f"{slug}-bundle.json")


def written(at: datetime) -> str:
    """Return the time of a checkpoint as its hash has it."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parts(results: queries.Results) -> Iterator[bytes]:
    # Each part takes a connection for a moment: a slow client holds none.
    poll_id, visible = results.poll.id, results.visible
    with pool().connection(autocommit=True) as conn:
        corrections = queries.list_corrections(conn, poll_id)
        number = queries.count_receipts(conn, poll_id)
        drawn = queries.list_draws(conn, poll_id) if visible else []
        entries = queries.list_entries(conn, poll_id) if visible else []
    yield f'{json.dumps(_head(results, corrections))[:-1]},\n"checkpoints": [\n'.encode()
    yield from _checkpoints(poll_id)
    yield b'],\n"votes": [\n'
    yield from _joined(_votes(poll_id, number, opened=visible))
    yield b'],\n"entries": [\n'
    yield from _entries(poll_id, entries)
    draws_json = json.dumps([_draw(row) for row in drawn] if visible else None)
    yield f'],\n"draws": {draws_json}}}\n'.encode()


def _head(results: queries.Results, corrections: list[queries.CorrectedText]) -> dict[str, object]:
    poll = results.poll
    rules = ("audience", "results", "named", "changeable", "shuffled", "locked", "recountable", "min_choices")
    return {
        "format": FORMAT,
        "slug": poll.slug,
        "title": poll.title,
        "description": poll.description,
        **{name: getattr(poll, name) for name in (*rules, "max_choices", "draw_source")},
        "options": [{"id": option.id, "text": option.text} for option in results.options],
        "content_hash": results.verification.content_hash,
        "commitment": results.verification.commitment,
        "corrections": [correction._asdict() for correction in corrections],
        "voters": results.voter_count if results.visible else None,
        "counts": [option.votes for option in results.options] if results.visible else None,
    }


def _joined(parts: Iterable[list[str]], separator: str = ",\n") -> Iterator[bytes]:
    """Yield the items of a list in JSON, part by part."""
    before = ""
    for part in parts:
        if part:
            yield (before + separator.join(part)).encode()
            before = separator


def _checkpoints(poll_id: int) -> Iterator[bytes]:
    before = b""
    for group in _groups(poll_id):
        yield before
        before = b",\n"
        if len(group) > 1 or group[0].entries <= LINES_A_READ:
            with pool().connection(autocommit=True) as conn:
                lines = queries.list_lines(conn, poll_id, group[0].number, group[-1].number)
            yield from _joined(
                [[f"{_batch(batch)}{', '.join(_lines(lines.get(batch.number, b'')))}]}}" for batch in group]]
            )
        else:
            yield _batch(group[0]).encode()
            yield from _joined(_reads(poll_id, group[0]), ", ")
            yield b"]}"


def _reads(poll_id: int, batch: queries.BatchRow) -> Iterator[list[str]]:
    """Yield the lines of a large batch in parts, each read by itself."""
    for sign in (b"+", b"-"):
        for low, high in _ranges(batch.entries, LINES_A_READ):
            with pool().connection(autocommit=True) as conn:
                lines = queries.list_lines(conn, poll_id, batch.number, batch.number, low=sign + low, high=sign + high)
            yield _lines(lines.get(batch.number, b""))


def _groups(poll_id: int) -> Iterator[list[queries.BatchRow]]:
    after = 0
    while True:
        with pool().connection(autocommit=True) as conn:
            batches = queries.list_batches(conn, poll_id, after=after, limit=BATCHES_A_READ)
        yield from _grouped(batches)
        if len(batches) < BATCHES_A_READ:
            return
        after = batches[-1].number


def _grouped(batches: list[queries.BatchRow]) -> Iterator[list[queries.BatchRow]]:
    """Yield the checkpoints in groups that are read at once: small ones together, a large one by itself."""
    group: list[queries.BatchRow] = []
    entries = 0
    for batch in batches:
        if group and entries + batch.entries > LINES_A_READ:
            yield group
            group, entries = [], 0
        group.append(batch)
        entries += batch.entries
    if group:
        yield group


def _batch(batch: queries.BatchRow) -> str:
    row = {**batch._asdict(), "taken_at": written(batch.taken_at)}
    del row["entries"]
    return f'{json.dumps(row)[:-1]}, "lines": ['


def _lines(lines: bytes) -> list[str]:
    return [f'"{chr(lines[start])}{lines[start + 1 : start + 33].hex()}"' for start in range(0, len(lines), 33)]


def _ranges(number: int, at_once: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the bounds of ranges of hashes that hold about `at_once` of `number` each."""
    parts = min(RANGES, -(-number // at_once) or 1)
    for part in range(parts):
        low, high = (RANGES * part // parts, RANGES * (part + 1) // parts)
        yield low.to_bytes(2, "big"), high.to_bytes(2, "big") if high < RANGES else b"\xff" * 33


def _votes(poll_id: int, number: int, *, opened: bool) -> Iterator[list[str]]:
    """Yield the votes in the order of their receipts, which tells nothing of when they were cast."""
    for low, high in _ranges(number, VOTES_A_READ):
        with pool().connection(autocommit=True) as conn:
            votes = queries.pack_sealed_votes(conn, poll_id, low=low, high=high)
        texts = _opened(votes, votes.choices, opened=opened) if votes.choices else _sealed(votes)
        while part := list(islice(texts, VOTES_A_PART)):
            yield part


def _sealed(votes: queries.PackedVotes) -> Iterator[str]:
    for start in range(0, len(votes.hashes), 64):
        digits = votes.hashes[start : start + 64].hex()
        yield f'{{"receipt": "{digits[:64]}", "leaf": "{digits[64:]}"}}'


def _opened(votes: queries.PackedVotes, choices: list[str], *, opened: bool) -> Iterator[str]:
    for place, chosen in enumerate(choices):
        digits = votes.hashes[96 * place : 96 * place + 96].hex()
        text = f'{{"receipt": "{digits[:64]}", "leaf": "{digits[64:128]}"'
        yield text + (f', "key": "{digits[128:]}", "choices": [{chosen}]}}' if opened else "}")


def _entries(poll_id: int, frozen: list[queries.EntriesRow]) -> Iterator[bytes]:
    before = ""
    for row in frozen:
        yield f'{before}{{"option": {json.dumps(row.option_id)}, "hash": "{row.hash}", "codes": ['.encode()
        yield from _joined(_codes(poll_id, row), ", ")
        yield b"]}"
        before = ",\n"


def _codes(poll_id: int, frozen: queries.EntriesRow) -> Iterator[list[str]]:
    for after in range(0, frozen.entries, CODES_A_READ):
        with pool().connection(autocommit=True) as conn:
            codes = queries.get_codes(conn, poll_id, frozen.option_id, after=after, limit=CODES_A_READ)
        yield [f'"{code}"' for code in draws.unpack(codes)]


def _draw(row: queries.DrawRow) -> dict[str, object]:
    names = ("number", "public_value", "reason", "secret", "winner", "alternates", "entries_hash")
    return {"option": row.option_id, **{name: getattr(row, name) for name in names}}
