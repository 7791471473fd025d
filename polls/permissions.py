"""What staff may do with polls of others: each by a permission of its own, and nothing for being staff.

An owner needs none of these for their own polls, and a superuser has all of them.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MANAGE_POLL: Final = "manage_poll"
VIEW_RESULTS: Final = "view_results"
VIEW_CHOICES: Final = "view_choices"

# Three, because each tells more than the one before: who has voted, then the counts, then who chose what.
PERMISSIONS: Final = (
    (MANAGE_POLL, "Can manage polls of others"),
    (VIEW_RESULTS, "Can see hidden results of polls of others"),
    (VIEW_CHOICES, "Can see who chose what in named polls of others"),
)


def holds(user: "User | AnonymousUser", permission: str) -> bool:
    """Whether a user is staff and has this permission. As in the admin, the permission alone is not enough; so a voter
    who is signed in costs no query."""
    return user.is_staff and user.has_perm(f"polls.{permission}")


def is_owner(user: "User | AnonymousUser", owner_id: int | None) -> bool:
    """Whether a user is the one with this id. No one owns a poll without an owner."""
    return owner_id is not None and user.pk == owner_id
