"""Votes and the trail of events: to look at, and nothing else."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from polls.models import Event, Vote

if TYPE_CHECKING:
    ReadOnlyBase = admin.ModelAdmin[Model]
else:  # at run time the class takes no parameters
    ReadOnlyBase = admin.ModelAdmin


class ReadOnly(ReadOnlyBase):
    """What nobody writes by hand."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Vote)
class VoteAdmin(ReadOnly):
    """When votes came in. What was chosen, and the voter's key, stay out of it: together with the time they
    would tell who chose what."""

    list_display = ("poll", "cast_at")
    list_select_related = ("poll",)
    list_filter = ("cast_at",)
    fields = ("poll", "cast_at")


@admin.register(Event)
class EventAdmin(ReadOnly):
    """What was done to polls, by whom."""

    list_display = ("at", "actor", "action", "poll_id", "details")
    list_filter = ("action", "at")
    search_fields = ("=poll_id", "actor")
    ordering = ("-id",)
    fields = ("at", "actor", "action", "poll_id", "details")
