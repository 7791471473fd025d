"""The raw-SQL data layer: row types, SQL constants, one function per query, the connection first.

Every function takes a psycopg2 connection and sends one statement: one round trip on a connection in
autocommit. None of them commits or rolls back. Violations of what the database promises come out as
the exceptions of `errors`; other errors of psycopg2 pass through.
"""

from polls.queries.actor import set_actor
from polls.queries.errors import (
    UNAVAILABLE,
    AlreadyVoted,
    InviteExists,
    InviteNotFound,
    BadCorrection,
    NotChangeable,
    NotEntitled,
    OptionRepeated,
    PollFrozen,
    PollNotFound,
    PollNotOpen,
    UnknownOption,
    VoteRefused,
    WrongChoiceCount,
    translated_errors,
)
from polls.queries.invites import (
    InviteRow,
    Invites,
    Manager,
    cast_invited_vote,
    find_invite,
    get_invites,
    list_voters_among,
    make_invites,
    reissue_invite,
    revoke_invite,
    withdraw_invited_vote,
)
from polls.queries.polls import Ballot, CorrectionRow, OptionRow, PollRow, get_poll, list_polls
from polls.queries.results import OptionResult, Results, get_results
from polls.queries.seeds import copy_votes, seed_poll
from polls.queries.votes import cast_vote, withdraw_vote

__all__ = [
    "AlreadyVoted",
    "BadCorrection",
    "Ballot",
    "CorrectionRow",
    "InviteExists",
    "InviteNotFound",
    "InviteRow",
    "Invites",
    "Manager",
    "NotChangeable",
    "NotEntitled",
    "OptionRepeated",
    "OptionResult",
    "OptionRow",
    "PollFrozen",
    "PollNotFound",
    "PollNotOpen",
    "PollRow",
    "Results",
    "UNAVAILABLE",
    "UnknownOption",
    "VoteRefused",
    "WrongChoiceCount",
    "cast_invited_vote",
    "cast_vote",
    "copy_votes",
    "find_invite",
    "get_invites",
    "get_poll",
    "get_results",
    "list_polls",
    "list_voters_among",
    "make_invites",
    "reissue_invite",
    "revoke_invite",
    "seed_poll",
    "set_actor",
    "translated_errors",
    "withdraw_invited_vote",
    "withdraw_vote",
]
