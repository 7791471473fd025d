"""Votes and events, read-only."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from polls.models import Event, Vote

if TYPE_CHECKING:
    ReadOnlyBase = admin.ModelAdmin[Model]
else:  # at run time the class takes no type parameters
    ReadOnlyBase = admin.ModelAdmin


class ReadOnlyAdmin(ReadOnlyBase):
    """A model that the admin shows and does not change."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Vote)
class VoteAdmin(ReadOnlyAdmin):
    """When votes were cast. Choices and voter keys are not shown: together with the times they would tell who chose
    what."""

    list_display = ("poll", "cast_at")
    list_select_related = ("poll",)
    list_filter = ("cast_at",)
    fields = ("poll", "cast_at")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """What was done to polls, and by whom."""

    list_display = ("at", "actor", "action", "poll_id", "details")
    list_filter = ("action", "at")
    search_fields = ("=poll_id", "actor")
    ordering = ("-id",)
    fields = ("at", "actor", "action", "poll_id", "details")
