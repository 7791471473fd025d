"""The schema: what Django manages. What the database enforces beyond it stands in the migrations."""

from random import Random, SystemRandom

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.text import slugify

# No vowels and no look-alikes: a random part that spells no word and survives being read aloud.
SLUG_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"


def make_slug(title: str, random: Random | None = None) -> str:
    """Return an address for a poll: its title, and ten random characters that make it unguessable (47 bits).

    `random` replaces the operating system's source, where an address is to be the same again.
    """
    random_part = "".join((random or SystemRandom()).choices(SLUG_ALPHABET, k=10))
    return f"{slugify(title)[:60].strip('-') or 'poll'}-{random_part}"


class Poll(models.Model):
    """A question with options, open for votes from `opens_at` until before `closes_at`; without `opens_at` a draft."""

    class Audience(models.TextChoices):
        LINK = "link", "anyone with the link, one vote per browser"
        ACCOUNT = "account", "people with an account here"
        INVITE = "invite", "people with an invitation"

    class Visibility(models.TextChoices):
        ALWAYS = "always", "everyone, at any time"
        VOTED = "voted", "those who have voted"
        CLOSED = "closed", "everyone, after the poll has closed"
        OWNER = "owner", "only the owner"

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
    min_choices = models.PositiveSmallIntegerField("fewest choices", default=1, db_default=1)
    max_choices = models.PositiveSmallIntegerField("most choices", default=1, db_default=1)
    opens_at = models.DateTimeField(null=True, blank=True, help_text="Empty: a draft that nobody can see.")
    closes_at = models.DateTimeField(null=True, blank=True, help_text="Empty: open until it is closed by hand.")
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(name="polls_poll_audience", condition=Q(audience__in=("link", "account", "invite"))),
            models.CheckConstraint(
                name="polls_poll_results", condition=Q(results__in=("always", "voted", "closed", "owner"))
            ),
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
        )
        indexes = (models.Index(name="polls_poll_newest", fields=["-opens_at", "-id"]),)

    def __str__(self) -> str:
        return self.title

    def save(self, *args: object, **kwargs: object) -> None:
        if not self.slug:
            self.slug = make_slug(self.title)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def get_absolute_url(self) -> str:
        return reverse("poll", args=[self.slug])


class Option(models.Model):
    """One possible choice of a poll. Frozen from the poll's first vote on."""

    poll = models.ForeignKey(Poll, on_delete=models.CASCADE, related_name="options")
    text = models.CharField(max_length=200)
    position = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        ordering = ("position", "id")
        constraints = (
            # What the composite foreign key of the tally refers to.
            models.UniqueConstraint(name="polls_option_of_poll", fields=["poll", "id"]),
            models.UniqueConstraint(
                name="polls_option_text", fields=["poll", "text"], violation_error_message="This option is there twice."
            ),
            models.CheckConstraint(name="polls_option_not_blank", condition=~Q(text__regex=r"^\s*$")),
        )

    def __str__(self) -> str:
        return self.text


class Vote(models.Model):
    """One whole ballot: a voter's choices in one poll, in the voter's order."""

    poll = models.ForeignKey(Poll, on_delete=models.PROTECT, related_name="votes")
    voter = models.CharField(max_length=100)
    choices = ArrayField(models.BigIntegerField())
    cast_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(name="polls_vote_one_per_voter", fields=["poll", "voter"]),)

    def __str__(self) -> str:
        return f"vote {self.pk}"


class Tally(models.Model):
    """Votes per option, kept by trigger, spread over slots so that voters do not queue for one row.

    The foreign key (poll, option) is composite and stands in the migration.
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
    """Voters per poll, kept like the tally: with several choices a vote, the votes do not add up to it."""

    pk = models.CompositePrimaryKey("poll", "slot")
    poll = models.ForeignKey(Poll, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    slot = models.SmallIntegerField()
    voters = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.voters} voters of poll {self.poll_id}, slot {self.slot}"
