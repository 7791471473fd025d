"""Django's admin."""

from polls.admin import polls, pool, votes

__all__ = ["polls", "pool", "votes"]
