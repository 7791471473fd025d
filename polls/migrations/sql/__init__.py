"""The SQL functions that the migrations create, each version in a file: <function>/<migration number>.sql.

The current version of a function is the highest number. A migration that changes one adds a file beside the old one,
which its reverse applies, and `git diff --no-index` of the two files shows the change.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def function(name: str, migration: str) -> str:
    """Return the statement that creates the function as of this migration, or replaces another version of it.

    A file that is missing raises FileNotFoundError.
    """
    return (FOLDER / name / f"{migration}.sql").read_text(encoding="utf-8")
