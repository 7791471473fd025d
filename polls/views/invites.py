"""The invitations to a poll, for those who manage it."""

from collections.abc import Sequence
from typing import NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from polls import invite_tokens, queries, voters
from polls.csv_export import csv_parts
from polls.database import pool
from polls.forms.invites import InviteForm, Person, read_people
from polls.forms.search import SearchForm
from polls.invite_tokens import Link
from polls.qr_codes import qr_element
from polls.views.decorators import for_poll_managers
from polls.views.pagination import Page
from polls.views.responses import see_other

INVITES_PER_PAGE = 100
SLIPS_PER_SHEET = 200  # a QR code takes 5 ms
SHOWN_AT_ONCE = 100  # links, and lines of a preview


class Slip(NamedTuple):
    """One invitation, to print and cut out."""

    label: str
    url: str
    qr_code: SafeString


@require_safe
@for_poll_managers
def invite_list(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Show who is invited, and whether they have voted where counts are not shown instead."""
    form = SearchForm(request.GET)
    form.is_valid()
    search = form.cleaned_data.get("q", "")
    page = Page(form.cleaned_data.get("page") or 1, INVITES_PER_PAGE, q=search)
    with pool().connection(autocommit=True) as conn:
        wanted = {"search": search, "limit": page.limit, "offset": page.offset}
        invited = queries.get_invites(conn, slug, actor, **wanted)
        if invited.step_due:
            queries.take_steps(conn, [invited.poll_id])
            invited = queries.get_invites(conn, slug, actor, **wanted)
        shown = page.cut(invited.invites)
        keys = [voters.make_keys(slug, f"invite:{invite.id}") for invite in shown]
        voter_keys = [key.named if invited.named else key.hidden for key in keys]
        voted = queries.list_voters_among(conn, invited.poll_id, voter_keys)
    context = {
        "slug": slug,
        "poll": invited,
        "rows": [(invite, key in voted) for invite, key in zip(shown, voter_keys, strict=True)],
        "search": search,
        "query": request.GET.urlencode(),
        "page": page,
    }
    return render(request, "polls/invites.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_poll_managers
def invite_add(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Read a list, show the invitations that it would create, and create all of them or none."""
    invited = _get_invites(slug, actor)
    if invited.is_locked_now:
        return _refuse_locked(request, slug)
    if request.method != "POST":
        return render(request, "polls/invites_add.html", {"slug": slug, "poll": invited, "form": InviteForm()})
    form = InviteForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "polls/invites_add.html", {"slug": slug, "poll": invited, "form": form})
    lines, key = form.cleaned_data["people"], form.cleaned_data["key"]
    if "create" in request.POST:
        try:
            links = _make(slug, actor, key, lines, invited)
        except queries.InviteExists:
            invited = _get_invites(slug, actor)  # another request was faster, perhaps with this same form
            links = _made_before(slug, key, lines, invited)
        except queries.PollLocked:
            return _refuse_locked(request, slug)
        if links:
            return _links_page(request, slug, invited, key, links)
    people = read_people(lines, [invite.label for invite in invited.invites])
    problems = [person for person in people if person.problem]
    context = {
        "slug": slug,
        "poll": invited,
        "form": form,
        "lines": "\n".join(lines),
        "key": key,
        "people": people,
        "shown": people[:SHOWN_AT_ONCE],
        "problems": problems,
        "problem_texts": _problem_texts(problems),
    }
    return render(request, "polls/invites_add.html", context)


@require_POST
@for_poll_managers
def invite_links_csv(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Send the links of the batch with this key, for a mail merge."""
    links = _links_of(slug, request.POST.get("key", ""), _get_invites(slug, actor))
    rows = [("name", "link"), *((link.label, _url(request, link)) for link in links)]
    return HttpResponse(
        b"".join(csv_parts(rows)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{slug}-links.csv"'},
    )


@require_POST
@for_poll_managers
def invite_slips(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Show a sheet of slips to print and cut, for the batch with this key."""
    invited = _get_invites(slug, actor)
    links = _links_of(slug, request.POST.get("key", ""), invited)
    first = request.POST.get("first", "")
    start = int(first) - 1 if first.isdecimal() and first.isascii() and 0 < len(first) < 10 else 0
    return _slips_page(request, slug, invited, links[max(start, 0) : start + SLIPS_PER_SHEET])


@require_POST
@for_poll_managers
def invite_revoke(request: HttpRequest, actor: queries.Actor, slug: str, invite_id: int) -> HttpResponse:
    """Revoke an invitation, so that its link stops working."""
    with pool().connection(autocommit=True) as conn:
        queries.revoke_invite(conn, slug, actor, invite_id)
    return see_other(f"{reverse('polls:invite_list', args=[slug])}?{request.GET.urlencode()}#invite-{invite_id}")


@require_POST
@for_poll_managers
def invite_reissue(request: HttpRequest, actor: queries.Actor, slug: str, invite_id: int) -> HttpResponse:
    """Replace a link, and show the new one, once."""
    token = invite_tokens.new_token()
    hidden_voter = voters.make_keys(slug, f"invite:{invite_id}").hidden
    try:
        with pool().connection(autocommit=True) as conn:
            label = queries.reissue_invite(conn, slug, actor, invite_id, invite_tokens.hash_of(token), hidden_voter)
            invited = queries.get_invites(conn, slug, actor, limit=0)
    except queries.LinksKept:
        messages.error(
            request,
            gettext(
                "Since the first vote no link is replaced before the poll has closed, so that nobody learns from it "
                "who has voted. The link that was sent still works."
            ),
        )
        return see_other(f"{reverse('polls:invite_list', args=[slug])}#invite-{invite_id}")
    except queries.InviteUsed:
        messages.error(
            request,
            gettext(
                "This person has voted, and the poll is anonymous: the link is not replaced, so that nobody else can "
                "act for them. Their receipt works in any browser."
            ),
        )
        return see_other(f"{reverse('polls:invite_list', args=[slug])}#invite-{invite_id}")
    return _slips_page(request, slug, invited, [Link(label, token)], reissued=True)


def _refuse_locked(request: HttpRequest, slug: str) -> HttpResponse:
    messages.error(request, gettext("This poll is locked: since it opened, nobody else can be invited."))
    return see_other("polls:invite_list", slug)


def _problem_texts(problems: Sequence[Person]) -> list[SafeString]:
    """Return a sentence for each of the first lines with a problem, and how many there are in all."""
    texts = []
    for person in problems[:SHOWN_AT_ONCE]:
        label = Truncator(person.label).chars(60)
        text = (
            gettext("Line %(line)s, “<bdi>%(label)s</bdi>”, %(problem)s.")
            if label
            else gettext("Line %(line)s %(problem)s.")
        )
        texts.append(_format(text, line=person.line, label=label, problem=person.problem))
    if len(problems) > SHOWN_AT_ONCE:
        text = ngettext("… %(lines)s line in all.", "… %(lines)s lines in all.", len(problems))
        texts.append(_format(text, lines=len(problems)))
    return texts


def _format(text: str, **values: int | str) -> SafeString:
    """Return a translated text with its values escaped."""
    return mark_safe(text % {name: escape(value) for name, value in values.items()})


def _get_invites(slug: str, actor: queries.Actor) -> queries.Invites:
    with pool().connection(autocommit=True) as conn:
        return queries.get_invites(conn, slug, actor)


def _make(slug: str, actor: queries.Actor, key: str, lines: Sequence[str], invited: queries.Invites) -> list[Link]:
    """Return the links of the people on the list, made now or by an earlier click; none if a line is wrong."""
    if made := _made_before(slug, key, lines, invited):
        return made
    people = read_people(lines, [invite.label for invite in invited.invites])
    if any(person.problem for person in people):
        return []
    links = [Link(person.label, invite_tokens.token_of(key, slug, person.label)) for person in people]
    with pool().connection(autocommit=True) as conn:
        queries.make_invites(conn, slug, actor, [(link.label, invite_tokens.hash_of(link.token)) for link in links])
    return links


def _made_before(slug: str, key: str, lines: Sequence[str], invited: queries.Invites) -> list[Link]:
    """Return the links of the people on the list, if all of them were made with this key before."""
    links = {link.label: link for link in _links_of(slug, key, invited)}
    people = read_people(lines, ())
    return [links[person.label] for person in people] if all(person.label in links for person in people) else []


def _links_of(slug: str, key: str, invited: queries.Invites) -> list[Link]:
    """Return the links that were made with this key and still work."""
    links = [
        (invite, Link(invite.label, invite_tokens.token_of(key, slug, invite.label)))
        for invite in invited.invites
        if invite.revoked_at is None
    ]
    return [link for invite, link in links if invite_tokens.hash_of(link.token) == invite.token_hash]


def _links_page(
    request: HttpRequest, slug: str, invited: queries.Invites, key: str, links: Sequence[Link]
) -> HttpResponse:
    sheets = [
        (first, min(first + SLIPS_PER_SHEET - 1, len(links))) for first in range(1, len(links) + 1, SLIPS_PER_SHEET)
    ]
    context = {
        "slug": slug,
        "poll": invited,
        "key": key,
        "links": [(link.label, _url(request, link)) for link in links[:SHOWN_AT_ONCE]],
        "made": len(links),
        "sheets": sheets,
    }
    return render(request, "polls/invites_links.html", context)


def _slips_page(
    request: HttpRequest,
    slug: str,
    invited: queries.Invites,
    links: Sequence[Link],
    *,
    reissued: bool = False,
) -> HttpResponse:
    made = []
    for link in links:
        url = _url(request, link)
        # Safe: the SVG holds squares, and no text.
        made.append(Slip(link.label, url, mark_safe(qr_element(url))))
    return render(
        request, "polls/invites_slips.html", {"slug": slug, "poll": invited, "slips": made, "reissued": reissued}
    )


def _url(request: HttpRequest, link: Link) -> str:
    return request.build_absolute_uri(reverse("polls:invite_link", args=[link.token]))
