"""CSV for spreadsheets, in which no text is run as a formula."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator

# Signs that begin a formula, or a call of another program, in at least one spreadsheet program.
STARTS = frozenset("=+-@|%")


def csv_parts(rows: Iterable[Iterable[object]], rows_a_part: int = 1000) -> Iterator[bytes]:
    """Yield a table as CSV, `rows_a_part` rows at a time. The first row holds the headings."""
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
    """Return a text so that spreadsheets take it as text: an apostrophe before it disarms a formula.

    Spreadsheets skip blanks, control and format characters before the sign, and East Asian keyboards type it in full
    width: both are recognised.
    """
    first = next((sign for sign in text if unicodedata.category(sign)[0] not in "CZ"), "")
    starts_formula = unicodedata.normalize("NFKC", first) in STARTS
    return f"'{text}" if starts_formula or text[:1] in ("\t", "\r", "\n") else text
