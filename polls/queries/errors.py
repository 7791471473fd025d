"""What the data layer raises, and the one place that turns the driver's errors into it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg2


class PollNotFound(LookupError):
    """There is no such poll, or none that may be known about."""


class VoteRefused(Exception):
    """The database did not take the vote; nothing was written."""


class PollNotOpen(VoteRefused):
    """Before opening, after closing, archived, or a draft: by the database's clock."""


class AlreadyVoted(VoteRefused):
    """This voter has a vote in this poll, and it stands."""


class NotEntitled(VoteRefused):
    """The poll is for people with an account or an invitation, and this is none of them."""


class NotChangeable(VoteRefused):
    """Votes in this poll are final."""


class UnknownOption(VoteRefused):
    """A choice is no option of this poll."""


class OptionRepeated(VoteRefused):
    """An option is chosen more than once."""


class WrongChoiceCount(VoteRefused):
    """Fewer choices than the poll asks for, or more than it allows."""


class InviteNotFound(PollNotFound):
    """The poll has no such invitation, or none that may be known about."""


class InviteExists(Exception):
    """Somebody with this label is invited already, or the link is in use; nothing was written."""


class PollFrozen(Exception):
    """Options and rules of a poll cannot change, and it cannot be deleted, once it has votes."""


class WrongWindow(Exception):
    """A poll that would close before it opens."""


class OptionsAlike(Exception):
    """Two options of a poll look the same: but for case, spaces, invisible characters or their Unicode form."""


class BadCorrection(Exception):
    """A correction without a reason, of something that is not of the poll, or of a poll without votes."""


class DrawRefused(Exception):
    """The database did not draw; nothing was written."""


class PollNotClosed(DrawRefused):
    """A winner is drawn after closing, by the database's clock."""


class DrawOvertaken(DrawRefused):
    """Somebody else's draw came first, or the same one was sent twice."""


class NobodyToDraw(DrawRefused):
    """Nobody has voted, or chosen this option; or it is none of this poll."""


class WrongPublicValue(DrawRefused):
    """A public value was announced and is missing, or it is there and none was announced."""


class EntriesNotFrozen(DrawRefused):
    """Who is in the draw is frozen first, so that it is known before a public value is."""


class NoReason(DrawRefused):
    """A draw after the first says why."""


class TooManyDraws(DrawRefused):
    """A poll has at most 99 draws: its chain of secrets ends there."""


# What psycopg2 and the pool raise when the database cannot be reached, refuses to work, or went away.
UNAVAILABLE = (psycopg2.OperationalError, psycopg2.InterfaceError)

# Constraints and trigger rules, as the migrations name them.
ERRORS: Mapping[str, type[Exception]] = {
    "polls_vote_while_open": PollNotOpen,
    "polls_vote_one_per_voter": AlreadyVoted,
    "polls_tally_option_of_poll": UnknownOption,
    "polls_vote_choices_distinct": OptionRepeated,
    "polls_vote_choice_count": WrongChoiceCount,
    "polls_invite_label": InviteExists,
    "polls_invite_token_hash_key": InviteExists,
    "polls_poll_frozen": PollFrozen,
    "polls_poll_kept": PollFrozen,
    "polls_option_frozen": PollFrozen,
    "polls_poll_drawn": PollFrozen,
    "polls_poll_window": WrongWindow,
    "polls_draw_after_closing": PollNotClosed,
    "polls_draw_number": DrawOvertaken,
    "polls_draw_of_somebody": NobodyToDraw,
    "polls_draw_public_value": WrongPublicValue,
    "polls_draw_from_entries": EntriesNotFrozen,
    "polls_draw_again_with_reason": NoReason,
    "polls_draw_most": TooManyDraws,
    "polls_correction_with_votes": BadCorrection,
    "polls_correction_target": BadCorrection,
    "polls_correction_reason": BadCorrection,
    "polls_option_text": OptionsAlike,
    "polls_option_looks": OptionsAlike,
}


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn a violation of a promise, raised by psycopg2 or through Django, into the error it means."""
    try:
        yield
    except Exception as error:
        # Django wraps the driver's error and keeps it as the cause.
        driver_error = error if isinstance(error, psycopg2.Error) else error.__cause__
        if not isinstance(driver_error, psycopg2.Error):
            raise
        meaning = ERRORS.get(driver_error.diag.constraint_name or "")
        if meaning is None:
            raise
        raise meaning(driver_error.diag.message_primary) from error
