"""What was done to polls, and the page of the connection pool."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from polls.models.polls import Poll


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
