"""Draws: the secret committed to, the frozen entries, and the winners."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from polls.draws import LINKS
from polls.models.polls import Option, Poll


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
