"""Receipts: the codes with which voters prove that a vote is theirs.

The code of a receipt is made from the random id in the voting cookie, so the browser that voted can show it again, and
the server stores no code. The hash of the code seals the vote: who shows the code may see the vote, change it and
withdraw it. The hash of the seal is public once the poll has closed, so that voters find their votes on the list.
"""

import base64
import hmac
import re
from hashlib import sha256
from typing import Final, NamedTuple

RANDOM_BYTES: Final = 10  # 80 bits are sixteen characters
# RFC 4648's alphabet with 8 and 9 for I and O, which are easily taken for digits.
STANDARD: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
ALPHABET: Final = "ABCDEFGH8JKLMN9PQRSTUVWXYZ234567"
TYPED: Final = re.compile(r"([0-9]{1,18})([A-HJ-NP-Z2-9]{16})")


class Receipt(NamedTuple):
    """What a voter notes down: the number of the vote, and the code that no one else knows."""

    vote_id: int
    code: str

    def __str__(self) -> str:
        groups = (self.code[start : start + 4] for start in range(0, len(self.code), 4))
        return f"{self.vote_id}-{'-'.join(groups)}"


def make_code(browser_id: str, slug: str, person: str) -> str:
    """Return the code of the vote that a browser casts for a person in the poll at `slug`: sixteen characters."""
    digest = hmac.digest(browser_id.encode(), f"receipt/{slug}/{person}".encode(), "sha256")
    standard = base64.b32encode(digest[:RANDOM_BYTES]).decode()
    return standard.translate(str.maketrans(STANDARD, ALPHABET))


def seal_of(code: str) -> bytes:
    """Return the seal that the database keeps of a code: 32 bytes. The code is random, so the hash needs no salt."""
    return sha256(code.encode()).digest()


def public_hash(seal: bytes) -> str:
    """Return what is published of a seal: 64 hexadecimal digits."""
    return sha256(seal).hexdigest()


def read_receipt(text: str) -> Receipt | None:
    """Return the receipt that somebody typed, None where it cannot be one. Case, spaces and dashes do not matter."""
    found = TYPED.fullmatch(re.sub(r"[^\w]|_", "", text).upper())
    return Receipt(int(found[1]), found[2]) if found else None
