#!/usr/bin/env python3
"""Verify a poll from its bundle: the file that the site publishes once the poll has closed.

    python3 verify.py bundle.json
    python3 verify.py bundle.json --checkpoint 5f2c... --receipt 17-ABCD-EFGH-JKLM-NPQR --choices "Town hall"

It needs only Python, and no network. It prints a line for each finding, and exits with 0 where all is well,
1 where something is wrong, and 2 where it could not read what it was given.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import hmac
import itertools
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

MOST_ORDERS = 8  # choices, of which each order is tried


def sha256(data: bytes) -> bytes:
    """Return the hash of these bytes: 32 bytes."""
    return hashlib.sha256(data).digest()


def ids(numbers: Sequence[int]) -> str:
    """Return choices as a leaf has them."""
    return ",".join(str(number) for number in numbers)


class Report:
    """What was found, as lines."""

    def __init__(self) -> None:
        self.wrong = 0

    def good(self, text: str) -> None:
        """Say that something is as it should be."""
        print(f"good:  {text}")

    def note(self, text: str) -> None:
        """Say what the reader should know."""
        print(f"note:  {text}")

    def unless(self, holds: bool, text: str) -> bool:
        """Say that something is wrong, unless it holds."""
        if not holds:
            self.wrong += 1
            print(f"WRONG: {text}")
        return holds


def check_chain(poll: dict[str, Any], report: Report) -> None:
    """Each checkpoint is the hash of the one before, of what the poll asks, and of the votes since."""
    link = sha256(poll["slug"].encode())
    for number, checkpoint in enumerate(poll["checkpoints"], 1):
        state = "closed" if checkpoint["closing"] else "open"
        options = ids(checkpoint["option_ids"])
        head = f"{number} {checkpoint['taken_at']} {state} {checkpoint['content_hash']} {options}"
        lines = sorted(line[:1].encode() + bytes.fromhex(line[1:]) for line in checkpoint["lines"])
        link = sha256(link + sha256(head.encode()) + b"".join(lines))
        whole = all(len(line) == 33 and line[:1] in b"+-" for line in lines)
        if not report.unless(
            whole and checkpoint["number"] == number and checkpoint["hash"] == link.hex(),
            f"checkpoint {number} is not the hash of what it is said to be made of",
        ):
            return
    if poll["checkpoints"]:
        report.good(f"{number} checkpoints, each made from the one before; the last is {link.hex()}")
        report.unless(checkpoint["closing"], "the last checkpoint was taken before the poll closed")


def check_votes(poll: dict[str, Any], report: Report) -> None:
    """What the checkpoints added and took away is the list of votes."""
    there: collections.Counter[str] = collections.Counter()
    for checkpoint in poll["checkpoints"]:
        there.update(line[1:] for line in checkpoint["lines"] if line[0] == "+")
        gone = [line[1:] for line in checkpoint["lines"] if line[0] == "-"]
        there.subtract(gone)
        number = checkpoint["number"]
        report.unless(
            all(there[leaf] >= 0 for leaf in gone), f"checkpoint {number} takes away a vote that was not there"
        )
        report.unless(
            poll["changeable"] or not gone, f"checkpoint {number} takes votes away, and votes in this poll are final"
        )
    listed = collections.Counter(vote["leaf"] for vote in poll["votes"])
    missing, new = sum((there - listed).values()), sum((listed - there).values())
    receipts = [vote["receipt"] for vote in poll["votes"]]
    same = report.unless(not missing, f"{missing} votes of the checkpoints are not in the list as they were cast")
    same &= report.unless(not new, f"{new} votes of the list are in no checkpoint")
    same &= report.unless(len(set(receipts)) == len(receipts), "a receipt is in the list twice")
    if same:
        report.good(f"{len(receipts)} votes in the list, and the same in the checkpoints")
    if poll["voters"] is None:
        report.note("the results are not in this file: they are not public")
    elif report.unless(
        poll["voters"] == len(receipts), f"{poll['voters']} people have voted, says the site; listed: {len(receipts)}"
    ):
        report.good("as many people have voted as the site says")


def check_counts(poll: dict[str, Any], report: Report) -> None:
    """Where choices are in the file, each is the one that was cast, and together they are the result."""
    if poll["counts"] is None or not poll["recountable"]:
        report.note("the choices are secret, so the votes for each option cannot be counted from outside")
        return
    options = {option["id"] for option in poll["options"]}
    counts: collections.Counter[int] = collections.Counter()
    for vote in poll["votes"]:
        choices = vote["choices"]
        leaf = sha256(bytes.fromhex(vote["receipt"]) + bytes.fromhex(vote["key"]) + ids(choices).encode())
        report.unless(leaf.hex() == vote["leaf"], f"the choices of the vote {vote['receipt']} were changed")
        allowed = poll["min_choices"] <= len(choices) <= poll["max_choices"]
        report.unless(
            allowed and len(set(choices)) == len(choices) and options.issuperset(choices),
            f"the choices of the vote {vote['receipt']} break the rules",
        )
        counts.update(choices)
    for place, option in enumerate(poll["options"]):
        count, counted, text = poll["counts"][place], counts[option["id"]], ascii(option["text"])
        if report.unless(counted == count, f"{count} votes for {text}, says the site; counted: {counted}"):
            report.good(f"{count} votes for {text}")


def content_hash(poll: dict[str, Any]) -> str:
    """Return the hash of what a poll asks and promises."""
    names = ["title", "description", "audience", "results", "named", "changeable", "shuffled", "locked", "recountable"]
    asked = [poll[name] for name in [*names, "min_choices", "max_choices", "draw_source"]]
    asked += [option["text"] for option in poll["options"]]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()


def check_content(poll: dict[str, Any], report: Report) -> None:
    """The poll asks what it asked at its last checkpoint, but for corrections that everyone can see."""
    report.unless(content_hash(poll) == poll["content_hash"], "the content hash is not that of question and rules")
    if not poll["checkpoints"]:
        return
    last = poll["checkpoints"][-1]
    report.unless(
        [option["id"] for option in poll["options"]] == last["option_ids"],
        "options were added, removed or exchanged after the last checkpoint",
    )
    then = {**poll, "options": [dict(option) for option in poll["options"]]}
    for undone in range(len(poll["corrections"]) + 1):
        if undone:
            undo(then, poll["corrections"][-undone])
        for results in ("always", "voted", "closed", "owner"):
            if content_hash({**then, "results": results}) == last["content_hash"]:
                if undone:
                    report.note(f"{undone} texts were corrected after the last checkpoint; the site shows which")
                if results != poll["results"]:
                    report.note("who sees the results was changed after the last checkpoint")
                report.good("question, options and rules are those of the last checkpoint, but for what is noted here")
                return
    report.unless(False, "question, options or rules are not those of the last checkpoint")


def undo(poll: dict[str, Any], correction: dict[str, Any]) -> None:
    """Give a poll the text that it had before a correction."""
    if correction["field"] != "option":
        poll[correction["field"]] = correction["before"]
    for option in poll["options"]:
        if option["id"] == correction["option_id"]:
            option["text"] = correction["before"]


def check_draws(poll: dict[str, Any], report: Report) -> None:
    """Each draw follows from its entries, and from the secret that was committed to before the first vote."""
    frozen = {entries["option"]: entries["codes"] for entries in poll["entries"]}
    for draw in poll["draws"] or []:
        number, codes = draw["number"], frozen.get(draw["option"], [])
        link = bytes.fromhex(draw["secret"])
        for _ in range(number):
            link = sha256(link)
        right = report.unless(link.hex() == poll["commitment"], f"draw {number}: the secret is not the committed one")
        file = "".join(f"{code}\n" for code in codes).encode()
        right &= report.unless(
            hashlib.sha256(file).hexdigest() == draw["entries_hash"] and len(set(codes)) == len(codes),
            f"draw {number}: the entries are not those that were frozen",
        )
        votes = votes_for(poll, draw["option"])
        right &= report.unless(len(codes) == votes, f"draw {number}: {len(codes)} entries, and {votes} votes")
        message = f"{draw['entries_hash']}/{draw['public_value']}/{number}"
        seed = hmac.new(bytes.fromhex(draw["secret"]), message.encode(), "sha256").digest()
        order = sorted(codes, key=lambda code: hmac.new(seed, code.encode(), "sha256").digest())
        right &= report.unless(
            order[:11] == [draw["winner"], *draw["alternates"]], f"draw {number}: winner or alternates are others"
        )
        if right:
            report.good(f"draw {number}: {draw['winner']} won among {len(codes)} entries")


def votes_for(poll: dict[str, Any], option_id: int | None) -> int:
    """Return how many votes there are for an option, or, without one, in all."""
    if option_id is None:
        return len(poll["votes"])
    places = [option["id"] for option in poll["options"]]
    return int(poll["counts"][places.index(option_id)])


def check_noted(poll: dict[str, Any], noted: list[str], report: Report) -> None:
    """A checkpoint that somebody noted down is in the chain: up to it, the votes are those that were there then."""
    known = {checkpoint["hash"]: checkpoint for checkpoint in poll["checkpoints"]}
    for text in noted:
        found = known.get(text.strip().lower())
        if (
            report.unless(found is not None, f"{text} is no checkpoint: votes that were there then were changed")
            and found
        ):
            report.good(f"{text} is checkpoint {found['number']}, of {found['taken_at']}")


def check_receipt(poll: dict[str, Any], receipt: str, texts: list[str] | None, report: Report) -> None:
    """The vote of a receipt is in the list, as it was cast."""
    code = re.sub("[^0-9A-Z]", "", receipt.upper())[-16:]
    seal = sha256(code.encode())
    public = sha256(seal)
    leaf = {vote["receipt"]: vote["leaf"] for vote in poll["votes"]}.get(public.hex())
    if not report.unless(leaf is not None, f"your receipt is not in the list: {public.hex()}"):
        return
    report.good(f"your receipt is in the list: {public.hex()}")
    if texts is None:
        report.note("name what you chose with --choices, and that is checked too")
        return
    choices = [option_named(poll, text) for text in texts]
    orders = itertools.permutations(choices) if len(choices) <= MOST_ORDERS else [tuple(choices)]
    written = (ids(order).encode() for order in orders)
    if report.unless(
        leaf in {sha256(public + sha256(seal + order) + order).hex() for order in written},
        "your vote is not counted as you say",
    ):
        report.good("your vote is counted as you say")


def option_named(poll: dict[str, Any], text: str) -> int:
    """Return the id of an option, from its text or its place in the list."""
    for place, option in enumerate(poll["options"], 1):
        if text in (option["text"], str(place)):
            return int(option["id"])
    raise ValueError(f"there is no option {text!a}")


def read(path: str) -> dict[str, Any]:
    """Return the poll in a file. Raises ValueError where it is none."""
    with open(path, "rb") as file:
        poll = json.load(file)
    if not isinstance(poll, dict) or poll.get("format") != 1:
        raise ValueError("it is no bundle of a poll")
    return poll


def main() -> int:
    """Verify the bundle named on the command line, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="the file that the site publishes, bundle.json")
    parser.add_argument("--checkpoint", action="append", default=[], metavar="HASH", help="one that you noted down")
    parser.add_argument("--receipt", help="the receipt of your vote")
    parser.add_argument("--choices", nargs="+", metavar="OPTION", help="what you chose: texts, or places from 1 on")
    given = parser.parse_args()
    report = Report()
    try:
        poll = read(given.bundle)
        for check in (check_chain, check_votes, check_counts, check_content, check_draws):
            check(poll, report)
        check_noted(poll, given.checkpoint, report)
        if given.receipt:
            check_receipt(poll, given.receipt, given.choices, report)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        print(f"This cannot be verified: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    found = f"{report.wrong} things are wrong" if report.wrong else "all is well"
    print(f"{poll['title']!a}: {found}")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
