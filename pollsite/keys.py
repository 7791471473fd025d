"""The keys of the site: SECRET_KEY signs sessions and forms, VOTER_KEY recognizes voters and hides who they are.

They are two, because SECRET_KEY must be easy to change and VOTER_KEY cannot change while a poll is open: with another
one, everybody would be a new voter.
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured


class Keys(NamedTuple):
    """Both keys. `borrowed` says that SECRET_KEY, or the oldest of its fallbacks, serves as VOTER_KEY."""

    secret: str
    voter: str
    borrowed: bool


def find_keys(folder: Path, secret: str = "", fallbacks: Sequence[str] = (), voter: str = "") -> Keys:
    """Return the keys of a site whose settings are these; those that are blank are kept in files in `folder`.

    Without VOTER_KEY the file voter_key holds it. Where there is no such file, votes from before there was a VOTER_KEY
    stand under the oldest secret key. It is borrowed where the settings hold SECRET_KEY: several hosts may share them,
    and a file would be on one host only. Otherwise the file is created, with the oldest secret key in it, so that
    secret_key can be deleted. Raises ImproperlyConfigured, in one line.
    """
    secret_path, voter_path = folder / "secret_key", folder / "voter_key"
    oldest = fallbacks[-1] if fallbacks else ""
    borrowed = False
    if not voter.strip():
        if (kept := _read("VOTER_KEY", voter_path)) is not None:
            voter = kept
        elif secret.strip():
            voter, borrowed = oldest or secret, True
        else:
            # Before secret_key is created: a new secret key has hidden no voter.
            voter = oldest or _read("SECRET_KEY", secret_path) or _new_key()
            voter = _read_or_create("VOTER_KEY", voter_path, voter)
    if not secret.strip():
        secret = read_or_create_secret_key(secret_path)
    return Keys(secret, voter, borrowed)


def read_or_create_secret_key(path: Path) -> str:
    """Return the key in the file at `path`; the first caller creates it, readable by its owner only.

    Raises ImproperlyConfigured if the file cannot be read or created.
    """
    return _read_or_create("SECRET_KEY", path, "")


def _read_or_create(setting: str, path: Path, key: str) -> str:
    """Return the key in the file at `path`, which holds `key`, or a random one, where there was none.

    Processes that start together agree on one key: each writes a complete draft under another name and links it to
    `path`, which succeeds only for the first.
    """
    if (kept := _read(setting, path)) is not None:
        return kept
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # readable by its owner only
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(key or _new_key())
                file.flush()
                os.fsync(descriptor)  # votes that are on the disk must not outlive the key that hides them
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            os.unlink(draft)
    except OSError as error:
        why = f"a generated key cannot be stored in {path} ({error.strerror})"
        raise ImproperlyConfigured(f"Set {setting}: {why}.") from error
    return _read(setting, path) or ""


def _read(setting: str, path: Path) -> str | None:
    """Return the key in a file exactly as it is there, None where there is no file."""
    try:
        key = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ImproperlyConfigured(
            f"{setting}: the key in {path} cannot be read ({why}). Correct that, or set {setting} to the key."
        ) from error
    if not key.strip():
        raise ImproperlyConfigured(
            f"{setting}: {path} is empty. Restore it from a backup, or set {setting} to the key."
        )
    return key


def _new_key() -> str:
    return secrets.token_urlsafe(50)  # no character that .env, a shell or systemd would change
