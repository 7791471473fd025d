"""The SECRET_KEY of a site whose operator sets none."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key


def read_or_create_secret_key(path: Path) -> str:
    """Return the key in the file at `path`; the first caller creates it, readable by its owner only.

    Processes that start together agree on one key: each writes a complete draft under another
    name and links it to `path`, which succeeds only for the first. Raises ImproperlyConfigured
    if the folder is not writable.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f"{path.name}.{os.getpid()}")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(get_random_secret_key())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text()
    except OSError as error:
        why = f"a generated key cannot be stored in {path} ({error.strerror})"
        raise ImproperlyConfigured(f"Set SECRET_KEY: {why}.") from error
