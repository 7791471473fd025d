"""Tables for spreadsheets: CSV in which no text is run as a formula."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator

# What begins a formula, or a call of another program, in one spreadsheet or another.
STARTS = frozenset("=+-@|%")


def csv_parts(rows: Iterable[Iterable[object]], rows_a_part: int = 1000) -> Iterator[bytes]:
    """Yield a table as CSV, headings included among its rows, some thousand rows at a time."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    for number, row in enumerate(rows, 1):
        writer.writerow([cell(value) if isinstance(value, str) else value for value in row])
        if number % rows_a_part == 0:
            yield lines.getvalue().encode()
            lines.seek(0)
            lines.truncate()
    if lines.tell():
        yield lines.getvalue().encode()


def cell(text: str) -> str:
    """Return a text that somebody wrote so that spreadsheets take it as a text: an apostrophe hides a formula.

    Spreadsheets forgive what stands before the sign, so blanks, control and format characters are looked through; and
    East Asian keyboards write it wide.
    """
    seen = next((sign for sign in text if unicodedata.category(sign)[0] not in "CZ"), "")
    starts_formula = unicodedata.normalize("NFKC", seen) in STARTS
    return f"'{text}" if starts_formula or text[:1] in ("\t", "\r", "\n") else text
