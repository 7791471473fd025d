"""The raw-SQL data layer: row types, SQL constants, one function per query, the connection first.

Every function takes a psycopg2 connection and sends one statement: one round trip on a connection in
autocommit. None of them commits or rolls back. Violations of what the database promises come out as
the exceptions of `errors`; other errors of psycopg2 pass through.
"""

from polls.queries.errors import (
    UNAVAILABLE,
    AlreadyVoted,
    OptionRepeated,
    PollFrozen,
    PollNotFound,
    PollNotOpen,
    UnknownOption,
    VoteRefused,
    WrongChoiceCount,
    translated_errors,
)
from polls.queries.polls import Ballot, OptionRow, PollRow, get_poll, list_polls
from polls.queries.results import OptionResult, Results, get_results
from polls.queries.seeds import copy_votes, seed_poll
from polls.queries.votes import cast_vote

__all__ = [
    "UNAVAILABLE",
    "AlreadyVoted",
    "Ballot",
    "OptionRepeated",
    "OptionResult",
    "OptionRow",
    "PollFrozen",
    "PollNotFound",
    "PollNotOpen",
    "PollRow",
    "Results",
    "UnknownOption",
    "VoteRefused",
    "WrongChoiceCount",
    "cast_vote",
    "copy_votes",
    "get_poll",
    "get_results",
    "list_polls",
    "seed_poll",
    "translated_errors",
]
