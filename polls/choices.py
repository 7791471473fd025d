"""The values that columns of a poll take: who may vote, who sees the results, and the state."""

from django.db.models import TextChoices


class Audience(TextChoices):
    """Who may vote."""

    LINK = "link", "anyone with the link, one vote per browser"
    ACCOUNT = "account", "people with an account here"
    INVITE = "invite", "people with an invitation"


class Visibility(TextChoices):
    """Who sees the results."""

    ALWAYS = "always", "everyone, at any time"
    VOTED = "voted", "those who have voted"
    CLOSED = "closed", "everyone, after the poll has closed"
    OWNER = "owner", "only the owner"


class State(TextChoices):
    """Where a poll stands. The database computes it, by its own clock: see polls_state."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"
