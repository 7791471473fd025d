"""The secrets in the links of invitations: keys of batches, tokens, and the hashes that the database keeps."""

import base64
import hmac
import secrets
from hashlib import sha256
from typing import NamedTuple


class Link(NamedTuple):
    """The link of an invitation: the label, and the token in the address."""

    label: str
    token: str


def new_key() -> str:
    """Return the key from which the links of one batch are made, 256 bits.

    It exists only in the page that shows the links, which sends it along to get the links again, as a file or as slips.
    So a double click creates no second batch, and the server stores no secret.
    """
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """Return the token of a single link, 128 bits."""
    return secrets.token_urlsafe(16)


def token_of(key: str, slug: str, label: str) -> str:
    """Return the token of a person's link in a batch, 128 bits."""
    digest = hmac.digest(key.encode(), f"{slug}\n{label}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def hash_of(token: str) -> str:
    """Return what the database stores of a token. The hash needs no salt, for the token is random."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()
