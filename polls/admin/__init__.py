"""The admin of polls, votes and events, and the page of the connection pool."""

from polls.admin import polls, pool, votes

__all__ = ["polls", "pool", "votes"]
