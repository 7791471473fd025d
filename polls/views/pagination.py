"""Pagination: which rows of a list to query, and the links to the pages before and after."""

from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import urlencode

Row = TypeVar("Row")


class Page:
    """Page `number` of a list with `size` rows per page. `query` holds the other parameters of the address.

    It asks for one row more than it shows, to see whether there is a next page.
    """

    def __init__(self, number: int, size: int, **query: str) -> None:
        self.number = number
        self.limit = size + 1
        self.offset = (number - 1) * size
        self._query = {name: value for name, value in query.items() if value}
        self.previous_query = self._query_of(number - 1) if number > 1 else ""
        self.next_query = ""

    def __repr__(self) -> str:
        """Write out what a template shows of it."""
        return f"Page({self.number}, {self.previous_query!r}, {self.next_query!r})"

    def cut(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows to show, and note whether there is a next page."""
        if len(rows) == self.limit:
            self.next_query = self._query_of(self.number + 1)
        return rows[: self.limit - 1]

    def _query_of(self, number: int) -> str:
        return urlencode({"page": number, **self._query})
