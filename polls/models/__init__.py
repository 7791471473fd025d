"""The schema that Django manages. What the database enforces beyond it is in the migrations."""

from polls.models.draws import Draw, Entries, Secret
from polls.models.events import Event, Pool
from polls.models.polls import Correction, Invite, Option, Poll
from polls.models.votes import Checkpoint, Journal, PollKey, Step, Tally, Turnout, Vote

__all__ = [
    "Checkpoint",
    "Correction",
    "Draw",
    "Entries",
    "Event",
    "Invite",
    "Journal",
    "Option",
    "Poll",
    "PollKey",
    "Pool",
    "Secret",
    "Step",
    "Tally",
    "Turnout",
    "Vote",
]
