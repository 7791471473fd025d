"""Draws, computed again: the same computation as the database's, with the standard library alone.

The database draws the winner (migrations 0005 and 0008), and this module computes it once more: the two have to agree.
Nothing here uses a connection or random numbers; docs/draws.md says what each step is good for.

    entry code    HMAC-SHA256(root, "<option id>/<voter>")                 for each voter of the option
                  HMAC-SHA256(root, "all/<voter>")                         for everyone who voted
    entries file  the codes, sorted, one per line; its SHA-256 is published
    secret n      SHA-256 applied 100 - n times to the root; 100 times give the commitment
    seed          HMAC-SHA256(secret n, "<SHA-256 of the entries file>/<public value>/<n>")
    places        HMAC-SHA256(seed, entry code), ascending: the first has won, the next ten are alternates
"""

import hashlib
import heapq
import hmac
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LINKS = 100  # of the chain
MOST_DRAWS = LINKS - 1  # of a poll, so that the root is never revealed
ALTERNATES = 10
ENTRY_BYTES = 65  # of the entries file: 64 hexadecimal digits and the end of the line


class Outcome(NamedTuple):
    """The winner and the alternates, as entry codes. Alternates are in the order in which they replace the winner."""

    winner: str
    alternates: list[str]


def entry_code(root: bytes, option_id: int | None, voter: str) -> str:
    """Return the public code of a voter in draws among the voters of an option, or, without one, among all voters: 64
    hexadecimal digits.

    Keyed with the root, which is never revealed: the keys of voters in named polls, such as user:17, are easy to guess.
    """
    among = "all" if option_id is None else option_id
    return hmac.digest(root, f"{among}/{voter}".encode(), "sha256").hex()


def entries_of(root: bytes, option_id: int | None, voters: Iterable[str]) -> list[str]:
    """Return the entries of the voters of an option, or of all voters: distinct and sorted."""
    return sorted({entry_code(root, option_id, voter) for voter in voters})


def entries_file(entries: Sequence[str]) -> bytes:
    """Return the content of entries.txt."""
    return "".join(f"{entry}\n" for entry in entries).encode()


def unpack(codes: bytes) -> list[str]:
    """Return the entries that the database stores as 32 bytes each."""
    return [codes[start : start + 32].hex() for start in range(0, len(codes), 32)]


def hash_again(link: bytes, times: int) -> bytes:
    """Return the link of the chain of hashes that comes `times` links after this one."""
    for _ in range(times):
        link = hashlib.sha256(link).digest()
    return link


def commitment_to(root: bytes) -> str:
    """Return what is published about the root of a poll before its first vote."""
    return hash_again(root, LINKS).hex()


def secret_of(root: bytes, number: int) -> str:
    """Return what the draw of this number reveals: it tells the secrets of earlier draws, and none of later ones."""
    return hash_again(root, LINKS - number).hex()


def draw(secret: str, entries_hash: str, public_value: str, number: int, entries: Iterable[str]) -> Outcome:
    """Return the winner and the alternates. Every order of the entries has the same chance."""
    seed = hmac.digest(bytes.fromhex(secret), f"{entries_hash}/{public_value}/{number}".encode(), "sha256")
    first = heapq.nsmallest(1 + ALTERNATES, entries, key=lambda entry: hmac.digest(seed, entry.encode(), "sha256"))
    return Outcome(first[0], first[1:])


# The page of a draw prints it with the numbers filled in, for readers who do not trust this site.
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
        # As Python literals, so that nothing in a text can become code.
        commitment=ascii(commitment),
        secret=ascii(secret),
        entries_hash=ascii(entries_hash),
        public_value=ascii(public_value),
        winner=ascii(winner),
    )
