"""Polls, their options and corrections, and the people invited."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Right
from django.urls import reverse

from polls.choices import Audience, Visibility
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
