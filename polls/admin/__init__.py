"""Django's admin."""

from polls.admin import polls, votes

__all__ = ["polls", "votes"]
