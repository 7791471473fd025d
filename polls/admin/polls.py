"""Polls with their options, and corrections of polls that have votes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db import connection, transaction
from django.db.models import CharField, F, Func, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html

from polls import queries
from polls.admin.lookups import FewLookups
from polls.choices import State
from polls.models import Correction, Option, Poll
from polls.permissions import PERMISSIONS, VIEW_RESULTS, holds, is_owner

if TYPE_CHECKING:
    OptionInlineBase = admin.TabularInline[Option, Poll]
    CorrectionInlineBase = admin.TabularInline[Correction, Poll]
    PollAdminBase = admin.ModelAdmin[Poll]
    PollFormBase = forms.ModelForm[Poll]
else:  # at run time these classes take no type parameters
    OptionInlineBase = CorrectionInlineBase = admin.TabularInline
    PollAdminBase = admin.ModelAdmin
    PollFormBase = forms.ModelForm

# Frozen by the database from the first vote on; corrections change the texts.
FROZEN = (
    "title",
    "description",
    "draw_source",
    "audience",
    "named",
    "changeable",
    "shuffled",
    "locked",
    "recountable",
    "min_choices",
    "max_choices",
    "opens_at",
)

# Fixed as well where a poll is locked, from its opening on.
LOCKED = (*(name for name in FROZEN if name not in ("title", "description")), "results", "listed", "closes_at")

REFUSED = (
    queries.PollFrozen,
    queries.PollLocked,
    queries.LockedWithoutEnd,
    queries.RecountNeedsResults,
    queries.BadCorrection,
)

POLL_STATE = Func(F("opens_at"), F("closes_at"), F("archived_at"), function="polls_state", output_field=CharField())


class OptionInline(OptionInlineBase):
    model = Option
    extra = 3

    def has_add_permission(self, request: HttpRequest, obj: Poll | None) -> bool:  # type: ignore[override]
        return super().has_add_permission(request, obj) and not _has_votes(obj)

    def has_change_permission(self, request: HttpRequest, obj: Poll | None = None) -> bool:
        return super().has_change_permission(request, obj) and not _has_votes(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Poll | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not _has_votes(obj)


class CorrectionInline(CorrectionInlineBase):
    model = Correction
    extra = 0
    readonly_fields = ("before", "corrected_at")

    def has_add_permission(self, request: HttpRequest, obj: Poll | None) -> bool:  # type: ignore[override]
        return super().has_add_permission(request, obj) and _has_votes(obj)

    def has_change_permission(self, request: HttpRequest, obj: Poll | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Poll | None = None) -> bool:
        return False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "option" and request.resolver_match:
            kwargs["queryset"] = Option.objects.filter(poll=request.resolver_match.kwargs.get("object_id"))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class PollForm(PollFormBase):
    """A poll, and in `seen_revision` the one that the form was filled in against: one that has changed is not saved.

    To be cleaned in the transaction that saves it, for the poll is locked until then.
    """

    seen_revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_revision"] = self.instance.revision

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        seen = cleaned.get("seen_revision")
        if self.instance.pk and (seen is not None or "seen_revision" in self.errors):
            now = queries.hold_revision(connection.connection, self.instance.pk)
            if now is not None and now != seen:
                self._refuse(now)
        return cleaned

    def _refuse(self, revision: int) -> None:
        saved = Poll.objects.get(pk=self.instance.pk)
        options = ", ".join(f"“{option.text}”" for option in saved.options.all()) or "none"
        self.add_error(
            None,
            [
                "This poll has changed since you opened this page, and nothing was saved. What you typed is still "
                "here: compare it with what is saved now, and save again.",
                f"The options are now: {options}.",
            ],
        )
        for field in self.visible_fields():
            if field.name in self.changed_from(saved):
                self.add_error(field.name, f"Saved now: {_text(saved, field.name)}")
        data = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        data["seen_revision"] = str(revision)
        self.data = data

    def changed_from(self, saved: Poll) -> list[str]:
        """Return the names of the fields that were typed otherwise than they are saved."""
        as_saved = forms.models.model_to_dict(saved)
        return [
            name
            for name, field in self.fields.items()
            if name in as_saved and field.has_changed(as_saved[name], self[name].data)
        ]


def _text(poll: Poll, name: str) -> str:
    display = getattr(poll, f"get_{name}_display", None)
    value = display() if display else getattr(poll, name)
    return str({True: "yes", False: "no", None: "none", "": "none"}.get(value, value))


@admin.register(Poll)
class PollAdmin(FewLookups, PollAdminBase):
    form = PollForm
    list_display = ("title", "state", "opens_at", "closes_at", "owner")
    list_filter = ("listed", "results")
    lookups = frozenset({"listed__exact", "listed__isnull", "results__exact", "results__isnull"})
    search_fields = ("title",)
    inlines = (OptionInline, CorrectionInline)
    actions = ("open_now", "close_now", "archive")
    autocomplete_fields = ("owner",)
    fieldsets = (
        (None, {"fields": ("title", "description", "owner", "address")}),
        ("Voting", {"fields": (("min_choices", "max_choices"), ("opens_at", "closes_at"), "time_zone")}),
        ("Who votes", {"fields": ("audience", "named", "changeable", "shuffled", "locked")}),
        ("What others see", {"fields": ("results", "listed", "recountable", "draw_source")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Poll]:
        return super().get_queryset(request).annotate(state_now=POLL_STATE).select_related("owner")

    def get_readonly_fields(self, request: HttpRequest, obj: Poll | None = None) -> tuple[str, ...]:
        fixed = (*(FROZEN if _has_votes(obj) else ()), *(LOCKED if _is_locked_now(obj) else ()))
        return ("address", *dict.fromkeys((*fixed, *_not_to_open(request, obj))))

    def has_delete_permission(self, request: HttpRequest, obj: Poll | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not _has_votes(obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # Django would list each vote that protects a poll, and thereby count them.
        if voted := [f"“{poll}” has votes: it can be archived, and not deleted." for poll in objs if _has_votes(poll)]:
            return [], {}, set(), voted
        return super().get_deleted_objects(objs, request)

    def changeform_view(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        # The form omits frozen fields, and the first vote may come in while it is being filled in.
        try:
            with queries.translated_errors(), _named_in_events(request):
                return super().changeform_view(request, *args, **kwargs)  # type: ignore[arg-type]
        except queries.OptionsAlike:
            messages.error(request, "Nothing was saved. Two of the options look the same.")
        except REFUSED as error:
            messages.error(request, f"Nothing was saved. {error}.")
        return redirect(request.path)

    def changelist_view(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        try:
            with queries.translated_errors(), _named_in_events(request):
                return super().changelist_view(request, *args, **kwargs)  # type: ignore[arg-type]
        except REFUSED as error:
            messages.error(request, f"Nothing was changed. {error}.")
        return redirect(request.path)

    def delete_view(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        try:
            with queries.translated_errors(), _named_in_events(request):
                return super().delete_view(request, *args, **kwargs)  # type: ignore[arg-type]
        except queries.PollFrozen:
            messages.error(request, "Nothing was deleted: the first vote came in meanwhile.")
        return redirect("admin:polls_poll_changelist")

    def view_on_site(self, obj: Poll) -> str:
        # By itself Django links to admin/r/, which is closed.
        return obj.get_absolute_url()

    @admin.display(ordering="opens_at")
    def state(self, poll: Poll) -> str:
        return str(poll.state_now)  # type: ignore[attr-defined]

    @admin.display
    def address(self, poll: Poll) -> str:
        if not poll.pk:
            return "is made when the poll is saved"
        return format_html('<a href="{0}">{0}</a>', poll.get_absolute_url())

    @admin.action(description="Open the selected polls now", permissions=["change"])
    def open_now(self, request: HttpRequest, polls: QuerySet[Poll]) -> None:
        ready = polls.alias(state=POLL_STATE).filter(state__in=(State.DRAFT, State.SCHEDULED), options__isnull=False)
        # By id, because the join with options repeats polls.
        opened = Poll.objects.filter(pk__in=ready.values("pk")).update(opens_at=Now())
        self._tell(request, opened, "opened", "Only drafts and scheduled polls that have options can be opened.")

    @admin.action(description="Close the selected polls now", permissions=["change"])
    def close_now(self, request: HttpRequest, polls: QuerySet[Poll]) -> None:
        closed = polls.alias(state=POLL_STATE).filter(state=State.OPEN).update(closes_at=Now())
        self._tell(request, closed, "closed", "Only open polls can be closed.")

    @admin.action(description="Archive the selected polls: no more votes, off the lists", permissions=["change"])
    def archive(self, request: HttpRequest, polls: QuerySet[Poll]) -> None:
        archived = polls.filter(archived_at=None).update(archived_at=Now())
        self._tell(request, archived, "archived", "The others were archived before.")

    def _tell(self, request: HttpRequest, done: int, verb: str, otherwise: str) -> None:
        asked = len(request.POST.getlist("_selected_action"))
        level = messages.SUCCESS if done == asked else messages.WARNING
        hint = "" if done == asked else f" {otherwise}"
        self.message_user(request, f"{done} of {asked} polls {verb}.{hint}", level)


@contextmanager
def _named_in_events(request: HttpRequest) -> Iterator[None]:
    """Name the user in the events of what a POST changes: as the owner on the page of a poll of theirs, as staff
    elsewhere."""
    if request.method != "POST":
        yield
        return
    with transaction.atomic():
        poll_id = request.resolver_match.kwargs.get("object_id", "") if request.resolver_match else ""
        owns = poll_id.isdecimal() and Poll.objects.filter(pk=poll_id, owner=request.user.pk).exists()
        queries.set_actor(connection.connection, f"user {request.user}", "owner" if owns else "staff")
        yield


def _not_to_open(request: HttpRequest, poll: Poll | None) -> Iterator[str]:
    """Yield the fields of a poll of others by which a user could see what they may not: who made themselves the owner
    would see everything."""
    if poll is None or is_owner(request.user, poll.owner_id):
        return
    if not holds(request.user, VIEW_RESULTS):
        yield "results"
    if not all(holds(request.user, permission) for permission, _label in PERMISSIONS):
        yield "owner"


def _is_locked_now(poll: Poll | None) -> bool:
    return poll is not None and poll.locked and bool(poll.opens_at and poll.opens_at <= timezone.now())


def _has_votes(poll: Poll | None) -> bool:
    return poll is not None and poll.votes.exists()
