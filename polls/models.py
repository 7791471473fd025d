"""The schema that Django manages. What the database enforces beyond it is in the migrations."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Right
from django.urls import reverse

from polls.choices import Audience, Visibility
from polls.draws import LINKS
from polls.permissions import PERMISSIONS
from polls.queries import CODE_LENGTH
from polls.slugs import make_slug


class Poll(models.Model):
    """A question with options, open for votes from `opens_at` until `closes_at`. Without `opens_at` it is a draft."""

    slug = models.SlugField("address", max_length=80, unique=True, editable=False)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True, max_length=5000, default="", db_default="")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    audience = models.CharField(
        "who may vote", max_length=10, choices=Audience.choices, default=Audience.LINK, db_default=Audience.LINK
    )
    results = models.CharField(
        "who sees the results",
        max_length=10,
        choices=Visibility.choices,
        default=Visibility.ALWAYS,
        db_default=Visibility.ALWAYS,
    )
    named = models.BooleanField("the owner sees who chose what", default=False, db_default=False)
    changeable = models.BooleanField("a vote can be changed while the poll is open", default=False, db_default=False)
    shuffled = models.BooleanField("each voter sees the options in another order", default=False, db_default=False)
    listed = models.BooleanField("shown on the front page", default=True, db_default=True)
    locked = models.BooleanField("locked once it has opened", default=False, db_default=False)
    recountable = models.BooleanField("anyone can recount the votes after closing", default=False, db_default=False)
    min_choices = models.PositiveSmallIntegerField("fewest choices", default=1, db_default=1)
    max_choices = models.PositiveSmallIntegerField("most choices", default=1, db_default=1)
    draw_source = models.CharField(
        "public value of a draw",
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Named in advance, such as “the lottery numbers of 1 May”. It enters every draw.",
    )
    time_zone = models.CharField(max_length=50, blank=True, default="", db_default="", help_text="Empty: the site's.")
    opens_at = models.DateTimeField(null=True, blank=True, help_text="Empty: a draft that nobody can see.")
    closes_at = models.DateTimeField(null=True, blank=True, help_text="Empty: open until it is closed by hand.")
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # Both are kept by a trigger: what the ballot shows, and how often anything has changed.
    content_hash = models.CharField(max_length=64, db_default="", editable=False)
    revision = models.IntegerField(db_default=0, editable=False)

    class Meta:
        ordering = ("-created_at", "-id")
        permissions = PERMISSIONS
        constraints = (
            models.CheckConstraint(name="polls_poll_audience", condition=Q(audience__in=tuple(Audience.values))),
            models.CheckConstraint(name="polls_poll_results", condition=Q(results__in=tuple(Visibility.values))),
            models.CheckConstraint(
                name="polls_poll_choice_range",
                condition=Q(min_choices__gte=1, max_choices__gte=F("min_choices")),
                violation_error_message="The fewest choices are at least 1, and no more than the most.",
            ),
            models.CheckConstraint(
                name="polls_poll_window",
                condition=Q(opens_at__isnull=True) | Q(closes_at__isnull=True) | Q(closes_at__gt=F("opens_at")),
                violation_error_message="A poll closes after it has opened.",
            ),
            models.CheckConstraint(
                name="polls_poll_locked_closes",
                condition=Q(locked=False) | Q(opens_at__isnull=True) | Q(closes_at__isnull=False),
                violation_error_message="A locked poll needs a closing time before it opens.",
            ),
            models.CheckConstraint(
                name="polls_poll_recountable",
                condition=Q(recountable=False) | ~Q(results=Visibility.OWNER),
                violation_error_message="Where anyone can recount the votes, the results are not for the owner only.",
            ),
        )
        indexes = (
            models.Index(name="polls_poll_newest", fields=["-opens_at", "-id"]),
            models.Index(Right("slug", CODE_LENGTH), name="polls_poll_code"),  # the short address
        )

    def __str__(self) -> str:
        return self.title

    def save(self, *args: object, **kwargs: object) -> None:
        if not self.slug:
            self.slug = make_slug(self.title)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def get_absolute_url(self) -> str:
        return reverse("polls:poll", args=[self.slug])


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


class Option(models.Model):
    """An option of a poll, frozen from the poll's first vote on."""

    poll = models.ForeignKey(Poll, on_delete=models.CASCADE, related_name="options")
    text = models.CharField(max_length=200)
    position = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        ordering = ("position", "id")
        constraints = (
            # The composite foreign key of the tally refers to it.
            models.UniqueConstraint(name="polls_option_of_poll", fields=["poll", "id"]),
            models.UniqueConstraint(
                name="polls_option_text", fields=["poll", "text"], violation_error_message="This option is there twice."
            ),
            models.CheckConstraint(name="polls_option_not_blank", condition=~Q(text__regex=r"^\s*$")),
        )

    def __str__(self) -> str:
        return self.text


class Vote(models.Model):
    """A whole ballot: the choices of a voter in one poll, in the order chosen.

    The seal is the hash of the voter's receipt, without which nobody changes the vote or is shown it. Votes from before
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


class Step(models.Model):
    """The counts of an anonymous poll when this many had voted, by the option's id. Shown in place of the exact counts
    while few have voted, so that no single vote shows. Computed by the database, append-only."""

    pk = models.CompositePrimaryKey("poll", "voters")
    poll = models.ForeignKey(Poll, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    voters = models.BigIntegerField()
    votes = models.JSONField()

    def __str__(self) -> str:
        return f"the counts of {self.voters} voters"


class Invite(models.Model):
    """One person who may vote in a poll for invited people. Only a hash of the link is stored; it can be replaced."""

    poll = models.ForeignKey(Poll, on_delete=models.CASCADE, related_name="invites")
    label = models.CharField("for whom", max_length=200, blank=True, default="", db_default="")
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    issued_at = models.DateTimeField(db_default=Now(), editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("id",)
        constraints = (
            # A second invitation for a person would be a second vote.
            models.UniqueConstraint(name="polls_invite_label", fields=["poll", "label"], condition=~Q(label="")),
        )

    def __str__(self) -> str:
        return self.label or f"invitation {self.pk}"


class Correction(models.Model):
    """A typo corrected after the first vote. The old text and the reason stay visible."""

    class Field(models.TextChoices):
        TITLE = "title", "the title"
        DESCRIPTION = "description", "the description"
        OPTION = "option", "an option"

    poll = models.ForeignKey(Poll, on_delete=models.PROTECT, related_name="corrections")
    field = models.CharField("what", max_length=11, choices=Field.choices)
    option = models.ForeignKey(Option, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    before = models.TextField(blank=True, db_default="", editable=False)
    after = models.TextField("correct text", max_length=5000)
    reason = models.CharField(max_length=200)
    corrected_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                name="polls_correction_target",
                condition=Q(field="option", option__isnull=False)
                | Q(field__in=("title", "description"), option__isnull=True),
                violation_error_message="Name the option where an option is corrected, and none elsewhere.",
            ),
            models.CheckConstraint(name="polls_correction_reason", condition=~Q(reason__regex=r"^\s*$")),
        )

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"


class Secret(models.Model):
    """The secret that seeds the draws of a poll: the root of a chain of hashes that ends in the commitment."""

    poll = models.OneToOneField(
        Poll, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    secret = models.BinaryField()
    commitment = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.commitment


class Entries(models.Model):
    """The entries of a draw: one code for each voter of an option, or, without one, for each voter of the poll. Frozen
    after closing, and computed by the database."""

    poll = models.ForeignKey(Poll, on_delete=models.PROTECT, related_name="+")
    option = models.ForeignKey(Option, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    codes = models.BinaryField()  # 32 bytes each, sorted
    hash = models.CharField(max_length=64)
    frozen_at = models.DateTimeField()
    frozen_by = models.CharField(max_length=200)

    class Meta:
        verbose_name_plural = "entries"
        constraints = (
            models.UniqueConstraint(name="polls_entries_once", fields=["poll", "option"]),
            models.UniqueConstraint(
                name="polls_entries_once_among_all", fields=["poll"], condition=Q(option__isnull=True)
            ),
        )

    def __str__(self) -> str:
        return self.hash


class Draw(models.Model):
    """A winner drawn from the frozen entries of an option, or, without one, from those of all voters. The database
    computes everything that a person could bend."""

    poll = models.ForeignKey(Poll, on_delete=models.PROTECT, related_name="draws")
    number = models.PositiveIntegerField()
    option = models.ForeignKey(Option, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    public_value = models.CharField(max_length=500, blank=True, default="", db_default="")
    reason = models.CharField("why again", max_length=200, blank=True, default="", db_default="")
    secret = models.CharField(max_length=64)
    winner = models.CharField(max_length=64)
    alternates = ArrayField(models.CharField(max_length=64), default=list)
    drawn_at = models.DateTimeField()
    drawn_by = models.CharField(max_length=200)

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(name="polls_draw_number", fields=["poll", "number"]),
            models.CheckConstraint(name="polls_draw_most", condition=Q(number__lt=LINKS)),
            models.CheckConstraint(
                name="polls_draw_again_with_reason", condition=Q(number=1) | ~Q(reason__regex=r"^\s*$")
            ),
        )

    def __str__(self) -> str:
        return f"draw {self.number}"


class Event(models.Model):
    """What was done to a poll, and by whom. Written by triggers, append-only, and kept when the poll is deleted."""

    poll = models.ForeignKey(Poll, on_delete=models.DO_NOTHING, db_constraint=False, related_name="events")
    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=200)
    role = models.CharField(max_length=10, blank=True, default="")  # as whom; empty before roles were written down
    action = models.CharField(max_length=40)
    details = models.JSONField(db_default=models.Value({}, models.JSONField()))

    class Meta:
        ordering = ("id",)
        # The public record reads these, and not the thousands of single invitations.
        indexes = (
            models.Index(name="polls_event_record", fields=["poll", "id"], condition=~Q(action__startswith="invite ")),
        )

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"


class Pool(models.Model):
    """The page of the connection pool in the admin, and the permission to see it. There is no table."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "connection pool"
        verbose_name_plural = "connection pool"

    def __str__(self) -> str:
        return "connection pool"
