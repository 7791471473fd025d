"""Draws: made by those who manage a poll and may see its results, and shown so that anyone can compute them again.

The gate is that of the results, because the number of entries is a count of votes. Viewers who may not see the results
see that a winner was drawn, which entry won and whether it is theirs, and neither entries nor alternates nor their
hashes (the hash of a single entry would tell that there is only one).
"""

from collections.abc import Iterator
from typing import NamedTuple

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_http_methods, require_safe

from polls import draws, queries
from polls.database import pool
from polls.forms.draws import ALL_VOTERS, DrawForm
from polls.views.decorators import uncached
from polls.views.responses import render_poll, see_other, streamed
from polls.views.viewers import may_manage, role_of, sees_all_results, viewer_of

ENTRIES_A_READ = 10_000

# The reasons for which the database refuses a draw, in English, to be translated on the page.
REFUSALS = frozenset(
    {
        gettext_noop("A winner is drawn after the poll has closed."),
        gettext_noop("Nobody has voted."),
        gettext_noop("Nobody has chosen this option."),
        gettext_noop("Another draw was made meanwhile."),
        gettext_noop("A draw after the first needs a reason."),
        gettext_noop("A poll has at most 99 draws."),
        gettext_noop("The public value that was announced is missing."),
        gettext_noop("No public value was announced for this poll."),
        gettext_noop("The entries of everybody who voted are not frozen yet."),
        gettext_noop("The entries of this option are not frozen yet."),
    }
)


class DrawsView(NamedTuple):
    """A poll with its draws, and whether this viewer may draw. Who may not see the results does not draw either: that
    no one has chosen an option is a result."""

    results: queries.Results
    entries: list[queries.EntriesRow]
    draws: list[queries.DrawRow]
    own_codes: list[str]  # one for each choice
    own_code_among_all: str | None
    manages: bool

    @property
    def poll(self) -> queries.PollRow:
        """The poll."""
        return self.results.poll

    @property
    def visible(self) -> bool:
        """Whether this viewer may see counts."""
        return self.results.visible


@uncached
@require_safe
def draw_list(request: HttpRequest, slug: str) -> HttpResponse:
    """Show all draws of a poll, and the frozen entries."""
    seen = _look(request, slug)
    texts: dict[int | None, str] = {option.id: option.text for option in seen.results.options}
    texts[None] = gettext("Everybody who voted")
    context: dict[str, object] = {
        "draws": seen.draws,
        "frozen": [(texts[entries.option_id], entries) for entries in seen.entries],
        # Two statements read them, and the vote may have changed in between.
        "own": list(zip(map(texts.get, seen.results.choices or []), seen.own_codes, strict=False)),
        "own_among_all": seen.own_code_among_all,
        "visible": seen.visible,
        "manages": seen.manages and seen.poll.has_ended,
        "verification": seen.results.verification,
    }
    return render_poll(request, "polls/draws.html", seen.poll, context)


@uncached
@require_safe
def draw(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show one draw, and how to check it."""
    seen = _look(request, slug)
    draw = _numbered(seen, number)
    context: dict[str, object] = {
        "draw": draw,
        "draws": seen.draws,
        "visible": seen.visible,
        "manages": seen.manages,
        "won": draw.own == draw.winner,
        "place": draw.alternates.index(draw.own) + 1 if draw.own in draw.alternates else 0,
        "program": draws.program(
            number=draw.number,
            commitment=draw.commitment,
            secret=draw.secret,
            entries_hash=draw.entries_hash,
            public_value=draw.public_value,
            winner=draw.winner,
        )
        if seen.visible
        else "",
    }
    return render_poll(request, "polls/draw.html", seen.poll, context)


@uncached
@require_safe
def entries_txt(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """Send the entries of a draw, one per line: the file whose SHA-256 the page of the draw shows."""
    seen = _look(request, slug)
    draw = _numbered(seen, number)
    if not seen.visible:
        return HttpResponse(gettext("The entries are shown to those who may see the results."), status=403)
    return streamed(
        request,
        _entries_file(seen.poll.id, draw),
        "text/plain",
        "entries.txt",
        # So that a download that breaks off is noticed.
        length=draws.ENTRY_BYTES * draw.entries,
    )


@uncached
@require_http_methods(["GET", "HEAD", "POST"])
def draw_create(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the form, and draw a winner."""
    seen = _look(request, slug)
    if not seen.manages:
        raise Http404
    if request.method != "POST":
        # Preselect the entries frozen last, which will be drawn from, again or for the first time; else all voters.
        option_id = seen.entries[-1].option_id if seen.entries else None
        initial = {
            "number": seen.results.verification.draw_count + 1,
            "option": ALL_VOTERS if option_id is None else str(option_id),
        }
        return _form_page(request, seen, DrawForm(seen.results.options, initial=initial))
    form = DrawForm(seen.results.options, request.POST)
    if not form.is_valid():
        return _form_page(request, seen, form, status=422)
    try:
        has_winner = _draw(seen.poll, form, request.user.get_username(), role_of(request, seen.poll))
    except queries.DrawRefused as refusal:
        said = f"{refusal}."
        form.add_error(None, gettext(said))
        overtaken = isinstance(refusal, queries.DrawOvertaken)
        return _form_page(request, seen, form, status=409 if overtaken else 422)
    if has_winner:
        return see_other("polls:draw", slug, form.cleaned_data["number"])
    return see_other("polls:draw_list", slug)


def _draw(poll: queries.PollRow, form: DrawForm, actor: str, role: str) -> bool:
    """Freeze the entries, and draw unless the public value is still unknown. Return whether there is a winner.

    Where a public value is announced these are two steps: the entries have to be public before the value is known.
    """
    option_id, freeze = form.cleaned_data["option"], form.cleaned_data["freeze"]
    with pool().connection(autocommit=True) as conn:
        if freeze or not poll.draw_source:
            queries.freeze_entries(conn, poll.id, option_id, actor=actor, role=role)
        if not freeze:
            queries.draw_winner(
                conn,
                poll.id,
                option_id,
                number=form.cleaned_data["number"],
                public_value=form.cleaned_data["public_value"],
                reason=form.cleaned_data["reason"],
                actor=actor,
                role=role,
            )
    return not freeze


def _form_page(request: HttpRequest, seen: DrawsView, form: DrawForm, status: int = 200) -> HttpResponse:
    frozen = {entries.option_id for entries in seen.entries}
    context: dict[str, object] = {
        "form": form,
        "rows": [(option, option.id in frozen) for option in seen.results.options],
        "all_voters": ALL_VOTERS,
        "all_voters_frozen": None in frozen,
        "voter_count": seen.results.voter_count,
        "draw_count": seen.results.verification.draw_count,
        "has_ended": seen.poll.has_ended,
    }
    return render_poll(request, "polls/draw_form.html", seen.poll, context, status=status)


def _look(request: HttpRequest, slug: str) -> DrawsView:
    viewer, sees_all = viewer_of(request, slug), sees_all_results(request)
    try:
        with pool().connection(autocommit=True) as conn:
            results = queries.get_results(conn, slug, **viewer.claims, viewer_id=viewer.user_id, sees_all=sees_all)
            entries = queries.list_entries(conn, results.poll.id)
            keys, seals = viewer.claims["voter_keys"], viewer.claims["seals"]
            rows = queries.list_draws(conn, results.poll.id, voter_keys=keys, seals=seals) if entries else []
            own_codes, own_code_among_all = [], None
            if results.choices:
                own_codes = queries.get_entry_codes(conn, results.poll.id, keys, seals)
                own_code_among_all = queries.get_entry_code_among_all(conn, results.poll.id, keys, seals)
    except queries.PollNotFound:
        raise Http404 from None
    if results.poll.is_draft:
        raise Http404
    manages = results.visible and may_manage(request, results.poll)
    return DrawsView(results, entries, rows, own_codes, own_code_among_all, manages)


def _numbered(seen: DrawsView, number: int) -> queries.DrawRow:
    for draw in seen.draws:
        if draw.number == number:
            return draw
    raise Http404


def _entries_file(poll_id: int, draw: queries.DrawRow) -> Iterator[bytes]:
    # Each part takes a connection for a moment: a slow client holds none.
    for after in range(0, draw.entries, ENTRIES_A_READ):
        with pool().connection(autocommit=True) as conn:
            codes = queries.get_codes(conn, poll_id, draw.option_id, after=after, limit=ENTRIES_A_READ)
        yield draws.entries_file(draws.unpack(codes))
