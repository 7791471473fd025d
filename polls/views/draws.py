"""Draws: made by the owner of a poll or by staff, and shown so that anybody can compute them again.

The gate is that of the results, for the number of entries is a count of votes: who may not see the results sees that a
winner was drawn, which entry it is and whether that is them, and neither entries nor alternates nor their hashes (the
hash of a single entry would tell that it is one).
"""

from collections.abc import Iterator
from typing import NamedTuple

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from polls import draws, queries
from polls.forms import EVERYBODY, DrawForm
from polls.views.common import choices_are_secret, may_manage, pool, render_poll, see_other, viewer_of
from polls.views.streams import streamed

ENTRIES_A_READ = 10_000

# What the database says where it refuses a draw: it speaks English, and the page says it in the reader's language.
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


class Seen(NamedTuple):
    """A poll with its draws, and what this viewer may do: see counts, and draw. Staff may do both."""

    results: queries.Results
    entries: list[queries.EntriesRow]
    draws: list[queries.DrawRow]
    own: list[str]  # entry codes, one for each choice
    own_among_all: str | None
    visible: bool
    manages: bool

    @property
    def poll(self) -> queries.PollRow:
        """The poll."""
        return self.results.poll


@never_cache
@require_safe
def draw_list(request: HttpRequest, slug: str) -> HttpResponse:
    """All draws of a poll, and the entries that are frozen for draws to come."""
    seen = _look(request, slug)
    texts: dict[int | None, str] = {option.id: option.text for option in seen.results.options}
    texts[None] = gettext("Everybody who voted")
    context: dict[str, object] = {
        "draws": seen.draws,
        "frozen": [(texts[entries.option_id], entries) for entries in seen.entries],
        # Read by two statements: a vote may have been changed between them.
        "own": list(zip(map(texts.get, seen.results.choices or []), seen.own, strict=False)),
        "own_among_all": seen.own_among_all,
        "visible": seen.visible,
        "manages": seen.manages and seen.poll.state in ("closed", "archived"),
        "seal": seen.results.seal,
    }
    return render_poll(request, "polls/draws.html", seen.poll, context)


@never_cache
@require_safe
def draw_page(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One draw, and how to check it."""
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


@never_cache
@require_safe
def entries_txt(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """The entries of a draw, a line each: the file whose SHA-256 is on the draw's page."""
    seen = _look(request, slug)
    draw = _numbered(seen, number)
    if not seen.visible:
        return HttpResponse(gettext("The entries are shown to those who may see the results."), status=403)
    return streamed(
        request,
        _entries_file(seen.poll.id, draw),
        "text/plain",
        "entries.txt",
        # So that whoever downloads it sees when the end is missing.
        length=draws.ENTRY_BYTES * draw.entries,
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def draw(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask what to draw, and draw it."""
    seen = _look(request, slug)
    if not seen.manages:
        raise Http404
    if request.method != "POST":
        # What is frozen is what will be drawn from, or was and is again; nothing frozen, everybody.
        option_id = seen.entries[-1].option_id if seen.entries else None
        initial = {"number": seen.results.seal.drawn + 1, "option": EVERYBODY if option_id is None else str(option_id)}
        return _form_page(request, seen, DrawForm(seen.results.options, initial=initial))
    form = DrawForm(seen.results.options, request.POST)
    if not form.is_valid():
        return _form_page(request, seen, form, status=422)
    try:
        drawn = _draw(seen.poll, form, request.user.get_username())
    except queries.DrawRefused as refusal:
        said = f"{refusal}."
        form.add_error(None, gettext(said))
        overtaken = isinstance(refusal, queries.DrawOvertaken)
        return _form_page(request, seen, form, status=409 if overtaken else 422)
    return see_other("draw", slug, form.cleaned_data["number"]) if drawn else see_other("draws", slug)


def _draw(poll: queries.PollRow, form: DrawForm, actor: str) -> bool:
    """Freeze, and draw unless a public value is still to come; return whether there is a winner.

    Where a public value was announced these are two acts: what is frozen has to be in public before the value is.
    """
    option_id, freeze = form.cleaned_data["option"], form.cleaned_data["freeze"]
    with pool().connection(autocommit=True) as conn:
        if freeze or not poll.draw_source:
            queries.freeze_entries(conn, poll.id, option_id, actor=actor)
        if not freeze:
            queries.draw_winner(
                conn,
                poll.id,
                option_id,
                number=form.cleaned_data["number"],
                public_value=form.cleaned_data["public_value"],
                reason=form.cleaned_data["reason"],
                actor=actor,
            )
    return not freeze


def _form_page(request: HttpRequest, seen: Seen, form: DrawForm, status: int = 200) -> HttpResponse:
    frozen = {entries.option_id for entries in seen.entries}
    context: dict[str, object] = {
        "form": form,
        "rows": [(option, option.id in frozen) for option in seen.results.options],
        "everybody": EVERYBODY,
        "everybody_frozen": None in frozen,
        "voters": seen.results.voters,
        "counted": seen.results.visible,  # staff may draw where the counts are the owner's alone
        "drawn": seen.results.seal.drawn,
        "closed": seen.poll.state in ("closed", "archived"),
    }
    return render_poll(request, "polls/draw_form.html", seen.poll, context, status=status)


def _look(request: HttpRequest, slug: str) -> Seen:
    viewer = viewer_of(request, slug)
    try:
        with pool().connection(autocommit=True) as conn:
            results = queries.get_results(conn, slug, voters=viewer.keys, viewer_id=viewer.user_id)
            entries = queries.list_entries(conn, results.poll.id)
            drawn = queries.list_draws(conn, results.poll.id, voters=viewer.keys) if entries else []
            own, own_among_all = [], None
            if results.choices:
                own = queries.get_entry_codes(conn, results.poll.id, viewer.keys)
                own_among_all = queries.get_entry_code_among_all(conn, results.poll.id, viewer.keys)
    except queries.PollNotFound:
        raise Http404 from None
    if results.poll.state == "draft":
        raise Http404
    if choices_are_secret(results.poll, viewer):
        # A code in the draw of an option tells that it was chosen; among everybody it tells no choice.
        own = []
        drawn = [draw if draw.option_id is None else draw._replace(own=None) for draw in drawn]
    manages = may_manage(request, results.poll)
    return Seen(results, entries, drawn, own, own_among_all, results.visible or request.user.is_staff, manages)


def _numbered(seen: Seen, number: int) -> queries.DrawRow:
    for draw in seen.draws:
        if draw.number == number:
            return draw
    raise Http404


def _entries_file(poll_id: int, draw: queries.DrawRow) -> Iterator[bytes]:
    # Each part with a connection for a moment: a reader on a slow line holds none.
    for after in range(0, draw.entries, ENTRIES_A_READ):
        with pool().connection(autocommit=True) as conn:
            codes = queries.get_codes(conn, poll_id, draw.option_id, after=after, limit=ENTRIES_A_READ)
        yield draws.entries_file(draws.unpacked(codes))
