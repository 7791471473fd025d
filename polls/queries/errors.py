"""The errors of the data layer, and the one place that translates the driver's errors to them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg2
import psycopg2.errors


class PollNotFound(LookupError):
    """There is no such poll, or none that this user may know about."""


class VoteRefused(Exception):
    """The database refused the vote; nothing was written."""


class PollNotOpen(VoteRefused):
    """Before opening, after closing, archived, or a draft: by the database's clock."""


class AlreadyVoted(VoteRefused):
    """This voter has a vote in this poll, and it stands."""


class NotEntitled(VoteRefused):
    """The poll is for people with an account or an invitation, and this voter has none."""


class OtherVoterKey(VoteRefused):
    """Votes in this poll stand under another VOTER_KEY: the site cannot tell who has voted."""


class NotChangeable(VoteRefused):
    """Votes in this poll are final."""


class NotProven(VoteRefused):
    """This voter has a vote in this poll, and it is changed or withdrawn with its receipt only."""


class BallotChanged(VoteRefused):
    """The poll is not what the ballot showed: its question, options or rules have changed since."""


class UnknownOption(VoteRefused):
    """A choice is no option of this poll."""


class OptionRepeated(VoteRefused):
    """An option is chosen more than once."""


class WrongChoiceCount(VoteRefused):
    """Fewer choices than the poll asks for, or more than it allows."""


class InviteNotFound(PollNotFound):
    """The poll has no such invitation, or none that this user may know about."""


class InviteExists(Exception):
    """A person with this label is invited already, or the link is in use; nothing was written."""


class InviteUsed(Exception):
    """A vote was cast with this invitation in an anonymous poll, so its link is not replaced."""


class LinksKept(Exception):
    """No one is shown who has voted while the poll is open, so no link is replaced: that it can be would tell it."""


class PollFrozen(Exception):
    """Once a poll has votes, its options and rules cannot change, and it cannot be deleted."""


class ResultsFixed(PollFrozen):
    """An open, anonymous poll for invited people that has votes shows its owner who has voted, or the counts. Which of
    them cannot change before it has closed."""


class PollChanged(Exception):
    """The poll has changed since the form about it was shown; nothing was written."""


class PollLocked(Exception):
    """The poll is locked and has opened: its rules, its times and the people invited are fixed."""


class LockedWithoutEnd(Exception):
    """A locked poll needs a closing time before it opens, for no one can close it by hand."""


class RecountNeedsResults(Exception):
    """Where anyone can recount the votes, the results are not for the owner only."""


class WrongWindow(Exception):
    """The poll would close before it opens."""


class OptionsAlike(Exception):
    """Two options of a poll look the same: they differ in case, spaces, invisible characters or Unicode form only."""


class BadCorrection(Exception):
    """The correction has no reason, is of something that does not belong to the poll, or of a poll without votes."""


class DrawRefused(Exception):
    """The database refused the draw; nothing was written."""


class PollNotClosed(DrawRefused):
    """The poll has not closed yet, by the database's clock."""


class DrawOvertaken(DrawRefused):
    """Another draw came first, or the same one was sent twice."""


class NoEntries(DrawRefused):
    """No one has voted or chosen this option, or it belongs to another poll."""


class WrongPublicValue(DrawRefused):
    """A public value was announced and is missing, or one was given and none was announced."""


class EntriesNotFrozen(DrawRefused):
    """The entries have to be frozen first, so that they are known before the public value is."""


class NoReason(DrawRefused):
    """Every draw after the first needs a reason."""


class TooManyDraws(DrawRefused):
    """A poll has at most 99 draws: its chain of secrets ends there."""


# Raised by psycopg2 and the pool when the database cannot be reached, refuses to work, or has gone away.
UNAVAILABLE = (psycopg2.OperationalError, psycopg2.InterfaceError)

# Raised by a standby, and by a database that was made read-only.
READ_ONLY = psycopg2.errors.ReadOnlySqlTransaction

# By the name of the constraint, or of the rule that a trigger enforces. The migrations give both.
ERRORS: Mapping[str, type[Exception]] = {
    "polls_vote_while_open": PollNotOpen,
    "polls_vote_one_per_voter": AlreadyVoted,
    "polls_vote_final": NotChangeable,
    "polls_vote_ballot": BallotChanged,
    "polls_tally_option_of_poll": UnknownOption,
    "polls_vote_choices_distinct": OptionRepeated,
    "polls_vote_choice_count": WrongChoiceCount,
    "polls_vote_voter_key": OtherVoterKey,
    "polls_invite_label": InviteExists,
    "polls_invite_token_hash_key": InviteExists,
    "polls_poll_frozen": PollFrozen,
    "polls_poll_kept": PollFrozen,
    "polls_option_frozen": PollFrozen,
    "polls_poll_drawn": PollFrozen,
    "polls_poll_secret": ResultsFixed,
    "polls_poll_window": WrongWindow,
    "polls_poll_locked": PollLocked,
    "polls_poll_locked_closes": LockedWithoutEnd,
    "polls_poll_recountable": RecountNeedsResults,
    "polls_draw_after_closing": PollNotClosed,
    "polls_draw_number": DrawOvertaken,
    "polls_draw_of_somebody": NoEntries,
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
    """Translate a violated constraint or rule, raised by psycopg2 or through Django, to the error that it means."""
    try:
        yield
    except Exception as error:
        # Django wraps the error of the driver and keeps it as the cause.
        driver_error = error if isinstance(error, psycopg2.Error) else error.__cause__
        if not isinstance(driver_error, psycopg2.Error):
            raise
        meaning = ERRORS.get(driver_error.diag.constraint_name or "")
        if meaning is None:
            raise
        raise meaning(driver_error.diag.message_primary) from error
