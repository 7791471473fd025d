"""How a winner is drawn: the same computation that the database makes, in the standard library alone.

The database draws (migrations 0005 and 0008), this recomputes: two ways that have to agree. Nothing here asks for a
connection or draws lots of its own; docs/draws.md says what each step is good for.

    entry code    HMAC-SHA256(root, "<option id>/<voter>")                 for each voter of the option
                  HMAC-SHA256(root, "all/<voter>")                         for everybody who voted
    entries file  the codes, sorted, a line each; its SHA-256 is published
    secret n      SHA-256 applied 100 - n times to the root; 100 times give the commitment
    seed          HMAC-SHA256(secret n, "<SHA-256 of the entries file>/<public value>/<n>")
    places        HMAC-SHA256(seed, entry code), ascending: the first has won, the next ten are alternates
"""

import hashlib
import heapq
import hmac
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LINKS = 100  # of the chain; a poll has fewer draws, so that its end is never revealed
ALTERNATES = 10
ENTRY_BYTES = 65  # of the entries file: 64 hexadecimal digits and the end of the line


class Outcome(NamedTuple):
    """Who was drawn, as entry codes; alternates come in the order in which they take the winner's place."""

    winner: str
    alternates: list[str]


def entry_code(root: bytes, option_id: int | None, voter: str) -> str:
    """Return what stands for a voter in public, in draws among those of an option, or without one among everybody who
    voted: 64 hexadecimal digits.

    Keyed with what is never revealed: the keys of voters in named polls, such as user:17, are easy to guess.
    """
    among = "all" if option_id is None else option_id
    return hmac.digest(root, f"{among}/{voter}".encode(), "sha256").hex()


def entries_of(root: bytes, option_id: int | None, voters: Iterable[str]) -> list[str]:
    """Return the entries of the voters of an option, or of everybody who voted: distinct, sorted."""
    return sorted({entry_code(root, option_id, voter) for voter in voters})


def entries_file(entries: Sequence[str]) -> bytes:
    """Return the file of entries as it is downloaded."""
    return "".join(f"{entry}\n" for entry in entries).encode()


def unpacked(codes: bytes) -> list[str]:
    """Return the entries that the database keeps as 32 bytes each."""
    return [codes[start : start + 32].hex() for start in range(0, len(codes), 32)]


def hash_again(link: bytes, times: int) -> bytes:
    """Return the link of a chain of hashes that comes so many times after this one."""
    for _ in range(times):
        link = hashlib.sha256(link).digest()
    return link


def commitment_to(root: bytes) -> str:
    """Return what is published of a poll's secret before the first vote."""
    return hash_again(root, LINKS).hex()


def secret_of(root: bytes, number: int) -> str:
    """Return what the draw of this number reveals: it tells the secrets of the draws before it, and no later one."""
    return hash_again(root, LINKS - number).hex()


def draw(secret: str, entries_hash: str, public_value: str, number: int, entries: Iterable[str]) -> Outcome:
    """Return who wins. Each entry has the same chance, and so has each order of them."""
    seed = hmac.digest(bytes.fromhex(secret), f"{entries_hash}/{public_value}/{number}".encode(), "sha256")
    first = heapq.nsmallest(1 + ALTERNATES, entries, key=lambda entry: hmac.digest(seed, entry.encode(), "sha256"))
    return Outcome(first[0], first[1:])


# What the page of a draw prints, with its numbers filled in, for a reader who trusts nothing here.
PROGRAM = """\
import hashlib, hmac, sys

number = {number}
commitment = {commitment}
secret = {secret}
entries_hash = {entries_hash}
public_value = {public_value}
winner = {winner}

file = open("entries.txt", "rb").read()
if hashlib.sha256(file).hexdigest() != entries_hash:
    sys.exit("entries.txt is not the file that was drawn from")
entries = file.decode().split()
if len(entries) != len(set(entries)):
    sys.exit("somebody is in it twice")
link = bytes.fromhex(secret)
for _ in range(number):
    link = hashlib.sha256(link).digest()
if link.hex() != commitment:
    sys.exit("the secret is not the one that was committed to")
seed = hmac.digest(bytes.fromhex(secret), f"{{entries_hash}}/{{public_value}}/{{number}}".encode(), "sha256")
order = sorted(entries, key=lambda entry: hmac.digest(seed, entry.encode(), "sha256"))
print(*order[:11], sep="\\n")
sys.exit(0 if order[0] == winner else "the winner on the page is another")
"""


def program(*, number: int, commitment: str, secret: str, entries_hash: str, public_value: str, winner: str) -> str:
    """Return a program that checks a draw from its entries.txt and prints the winner and the alternates."""
    return PROGRAM.format(
        number=int(number),
        # As Python spells texts: whatever somebody wrote stays a text.
        commitment=ascii(commitment),
        secret=ascii(secret),
        entries_hash=ascii(entries_hash),
        public_value=ascii(public_value),
        winner=ascii(winner),
    )
