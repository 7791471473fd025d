"""What lists of the admin may be asked by their address."""

from typing import Any, ClassVar

from django.http import HttpRequest


class FewLookups:
    """A list that answers the lookups of its own filters alone, and others with 400.

    Django takes every lookup on a field of the model itself, shown or not, and some through relations. Each is a
    question: `?choices__contains={27}` counts the votes for an option, and `?voter=` says whether somebody has voted.
    """

    lookups: ClassVar[frozenset[str]] = frozenset()

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Whether the list answers this lookup in its address. Called by Django."""
        return lookup in self.lookups
