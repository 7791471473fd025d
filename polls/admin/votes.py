"""Votes and events, read-only."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Case, F, Model, Q, QuerySet, When
from django.http import HttpRequest

from polls.admin.lookups import FewLookups
from polls.models import Event, Vote
from polls.permissions import VIEW_CHOICES, VIEW_RESULTS, holds

if TYPE_CHECKING:
    ReadOnlyBase = admin.ModelAdmin[Model]
else:  # at run time the class takes no type parameters
    ReadOnlyBase = admin.ModelAdmin

# Their details hold numbers of entries, which are counts of votes, and hashes and alternates, which tell them too.
COUNTING = Q(action__startswith="entries ") | Q(action__startswith="draw ")


class ReadOnlyAdmin(FewLookups, ReadOnlyBase):
    """A model that the admin shows and does not change, not even for a superuser."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Vote)
class VoteAdmin(ReadOnlyAdmin):
    """When votes in named polls were cast, for those who may see who chose what in them.

    Votes in anonymous polls are not listed, not even without their times: a vote has been cast between those whose ids
    come before and after its own. Choices and voters are in the vote log of a poll, and are not read here.
    """

    # Columns of the model could be ordered by.
    list_display = ("in_poll", "time")
    list_select_related = ("poll",)
    fields = ("in_poll", "time")
    readonly_fields = fields
    lookups = frozenset({"poll__id__exact"})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        votes = super().get_queryset(request).filter(poll__named=True).defer("voter", "choices")
        return votes if holds(request.user, VIEW_CHOICES) else votes.filter(poll__owner=request.user.pk)

    @admin.display(description="poll")
    def in_poll(self, vote: Vote) -> str:
        return str(vote.poll)

    @admin.display(description="cast at")
    def time(self, vote: Vote) -> Any:
        return vote.cast_at


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """What was done to polls, and by whom. Who may not see the results of polls of others sees that a winner was drawn,
    and not among how many."""

    list_display = ("at", "actor", "action", "poll_id", "what")
    list_filter = ("action", "at")
    search_fields = ("=poll_id", "actor")
    ordering = ("-id",)
    fields = ("at", "actor", "action", "poll_id", "what")
    readonly_fields = fields
    lookups = frozenset({"action", "action__isnull", "at__gte", "at__lt", "at__isnull", "poll__id__exact"})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        told = F("details") if holds(request.user, VIEW_RESULTS) else Case(When(~COUNTING, then=F("details")))
        events: QuerySet[Any] = super().get_queryset(request).annotate(told=told)
        return events

    @admin.display(description="details")
    def what(self, event: Event) -> Any:
        return event.told  # type: ignore[attr-defined]
