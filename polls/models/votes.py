"""Votes, and what is counted and kept of them by triggers."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from polls.models.polls import Option, Poll


class Vote(models.Model):
    """A whole ballot: the choices of a voter in one poll, in the order chosen.

    The seal is the hash of the voter's receipt, without which no one changes the vote or is shown it. Votes from before
    there were receipts have none; votes that are written without one get a random seal. `ballot` is the content hash of
    the poll as the voter saw it.
    """

    poll = models.ForeignKey(Poll, on_delete=models.PROTECT, related_name="votes", db_index=False)
    voter = models.CharField(max_length=100)
    choices = ArrayField(models.BigIntegerField())
    cast_at = models.DateTimeField(db_default=Now())
    seal = models.BinaryField(null=True)
    ballot = models.BinaryField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(name="polls_vote_one_per_voter", fields=["poll", "voter"]),)

    def __str__(self) -> str:
        return f"vote {self.pk}"


class Tally(models.Model):
    """Votes per option, kept by triggers, and spread over slots so that voters do not queue for one row.

    The foreign key (poll, option) is composite, and therefore in the migration.
    """

    pk = models.CompositePrimaryKey("poll", "option", "slot")
    poll = models.ForeignKey(Poll, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    option = models.ForeignKey(
        Option, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    slot = models.SmallIntegerField()
    votes = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.votes} votes for option {self.option_id}, slot {self.slot}"


class Turnout(models.Model):
    """Voters per poll, kept like the tally. Where a vote has several choices, the tally does not add up to it."""

    pk = models.CompositePrimaryKey("poll", "slot")
    poll = models.ForeignKey(Poll, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    slot = models.SmallIntegerField()
    voters = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.voters} voters of poll {self.poll_id}, slot {self.slot}"


class Step(models.Model):
    """The counts of an anonymous poll when this many had voted, by the option's id. Shown in place of the exact counts
    while few have voted, so that no single vote shows. Computed by the database, append-only."""

    pk = models.CompositePrimaryKey("poll", "voters")
    poll = models.ForeignKey(Poll, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    voters = models.BigIntegerField()
    votes = models.JSONField()

    def __str__(self) -> str:
        return f"the counts of {self.voters} voters"


class PollKey(models.Model):
    """The VOTER_KEY under which votes in a poll stand, from the first one on: an id of it, and not the key.

    With another key the voters would be new ones, so the site counts no further vote. The row is not part of the poll,
    whose changes are its history.
    """

    poll = models.OneToOneField(
        Poll, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    key_id = models.CharField(max_length=16)

    def __str__(self) -> str:
        return self.key_id


class Journal(models.Model):
    """A vote that was cast, changed or withdrawn, as hashes that show no choice. Written by triggers, append-only."""

    pk = models.CompositePrimaryKey("poll", "number")
    poll = models.ForeignKey(Poll, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    number = models.BigIntegerField()
    added = models.BinaryField(null=True)
    removed = models.BinaryField(null=True)

    class Meta:
        verbose_name_plural = "journal"
        # The few that the public record counts: votes changed and withdrawn.
        indexes = (models.Index(name="polls_journal_removed", fields=["poll"], condition=Q(removed__isnull=False)),)

    def __str__(self) -> str:
        return f"entry {self.number}"


class Checkpoint(models.Model):
    """The journal up to an entry as one hash, chained to the checkpoint before. Computed by the database, append-only.

    The hash also covers what the poll asks: its content hash, and the ids of the options in the order of their texts.
    `entries` is the number of votes added and removed since the checkpoint before. `closing` says that the poll was
    closed then, so that no vote of it is missing.
    """

    pk = models.CompositePrimaryKey("poll", "number")
    poll = models.ForeignKey(Poll, on_delete=models.PROTECT, db_index=False, related_name="checkpoints")
    number = models.IntegerField()
    upto = models.BigIntegerField()
    entries = models.IntegerField()
    content_hash = models.CharField(max_length=64)
    option_ids = ArrayField(models.BigIntegerField())
    hash = models.CharField(max_length=64)
    closing = models.BooleanField()
    taken_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.hash
