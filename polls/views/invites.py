"""The invitations to a poll, for those who run it. Whoever else asks learns nothing."""

from collections.abc import Sequence
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from polls import invites, queries, voters
from polls.forms import InviteForm, SearchForm
from polls.spreadsheets import csv_parts
from polls.views.common import pool, see_other
from polls.views.managers import for_managers

INVITES_PER_PAGE = 100
SLIPS_PER_SHEET = 200  # a QR code takes 5 ms
SHOWN_AT_ONCE = 100  # links, and lines of a preview


class Slip(NamedTuple):
    """One invitation to be cut out."""

    label: str
    url: str
    qr_code: SafeString


@require_safe
@for_managers
def invite_list(request: HttpRequest, manager: queries.Manager, slug: str) -> HttpResponse:
    """Who is invited, and whether they have voted."""
    form = SearchForm(request.GET)
    form.is_valid()
    search, page = form.cleaned_data.get("q", ""), form.cleaned_data.get("page") or 1
    with pool().connection(autocommit=True) as conn:
        # One more than is shown, to know whether there is a next page.
        invited = queries.get_invites(
            conn,
            slug,
            manager,
            search=search,
            limit=INVITES_PER_PAGE + 1,
            offset=(page - 1) * INVITES_PER_PAGE,
        )
        shown = invited.invites[:INVITES_PER_PAGE]
        keys = [voters.voter(slug, f"invite:{invite.id}") for invite in shown]
        keys_of_votes = [key.named if invited.named else key.hidden for key in keys]
        voted = queries.list_voters_among(conn, invited.poll_id, keys_of_votes)
    context = {
        "slug": slug,
        "poll": invited,
        "rows": [(invite, key in voted) for invite, key in zip(shown, keys_of_votes, strict=True)],
        "search": search,
        "query": request.GET.urlencode(),
        "previous_page": page - 1,
        "next_page": page + 1 if len(invited.invites) > INVITES_PER_PAGE else None,
    }
    return render(request, "polls/invites.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_managers
def add(request: HttpRequest, manager: queries.Manager, slug: str) -> HttpResponse:
    """Take a list, show what would be made of it, and make it: all of it, or nothing."""
    invited = _all_invites(slug, manager)
    if request.method != "POST":
        return render(request, "polls/invites_add.html", {"slug": slug, "poll": invited, "form": InviteForm()})
    form = InviteForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "polls/invites_add.html", {"slug": slug, "poll": invited, "form": form})
    lines, key = form.cleaned_data["people"], form.cleaned_data["key"]
    if "create" in request.POST:
        try:
            links = _made(slug, manager, key, lines, invited)
        except queries.InviteExists:
            invited = _all_invites(slug, manager)  # somebody was faster, and perhaps it was this very form
            links = _repeated(slug, key, lines, invited)
        if links:
            return _links_page(request, slug, invited, key, links)
    people = invites.read_people(lines, [invite.label for invite in invited.invites])
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
        "shown_problems": problems[:SHOWN_AT_ONCE],
    }
    return render(request, "polls/invites_add.html", context)


@require_POST
@for_managers
def links_csv(request: HttpRequest, manager: queries.Manager, slug: str) -> HttpResponse:
    """The links of the batch whose key is sent, for a mail merge."""
    links = _links_of(slug, request.POST.get("key", ""), _all_invites(slug, manager))
    rows = [("name", "link"), *((link.label, _url(request, link)) for link in links)]
    return HttpResponse(
        b"".join(csv_parts(rows)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{slug}-links.csv"'},
    )


@require_POST
@for_managers
def slips(request: HttpRequest, manager: queries.Manager, slug: str) -> HttpResponse:
    """A sheet of slips to print and cut, of the batch whose key is sent."""
    invited = _all_invites(slug, manager)
    links = _links_of(slug, request.POST.get("key", ""), invited)
    first = request.POST.get("first", "")
    start = int(first) - 1 if first.isdecimal() and first.isascii() and 0 < len(first) < 10 else 0
    return _slips_page(request, slug, invited, links[max(start, 0) : start + SLIPS_PER_SHEET])


@require_POST
@for_managers
def revoke(request: HttpRequest, manager: queries.Manager, slug: str, invite_id: int) -> HttpResponse:
    """Make a link worthless."""
    with pool().connection(autocommit=True) as conn:
        queries.revoke_invite(conn, slug, manager, invite_id)
    return see_other(f"{reverse('invites', args=[slug])}?{request.GET.urlencode()}#invite-{invite_id}")


@require_POST
@for_managers
def reissue(request: HttpRequest, manager: queries.Manager, slug: str, invite_id: int) -> HttpResponse:
    """Replace a link, and show the new one: this once."""
    token = invites.new_token()
    with pool().connection(autocommit=True) as conn:
        label = queries.reissue_invite(conn, slug, manager, invite_id, invites.hash_of(token))
        invited = queries.get_invites(conn, slug, manager, limit=0)
    return _slips_page(request, slug, invited, [invites.Link(label, token)], reissued=True)


def _all_invites(slug: str, manager: queries.Manager) -> queries.Invites:
    with pool().connection(autocommit=True) as conn:
        return queries.get_invites(conn, slug, manager)


def _made(
    slug: str, manager: queries.Manager, key: str, lines: Sequence[str], invited: queries.Invites
) -> list[invites.Link]:
    """Return the links of the people on the list, made now or by an earlier click; of nobody if a line is wrong."""
    if repeated := _repeated(slug, key, lines, invited):
        return repeated
    people = invites.read_people(lines, [invite.label for invite in invited.invites])
    if any(person.problem for person in people):
        return []
    links = [invites.Link(person.label, invites.token_of(key, slug, person.label)) for person in people]
    with pool().connection(autocommit=True) as conn:
        queries.make_invites(conn, slug, manager, [(link.label, invites.hash_of(link.token)) for link in links])
    return links


def _repeated(slug: str, key: str, lines: Sequence[str], invited: queries.Invites) -> list[invites.Link]:
    """Return the links of the people on the list if all of them were made with this key before."""
    links = {link.label: link for link in _links_of(slug, key, invited)}
    people = invites.read_people(lines, ())
    return [links[person.label] for person in people] if all(person.label in links for person in people) else []


def _links_of(slug: str, key: str, invited: queries.Invites) -> list[invites.Link]:
    """Return the links that were made with this key and are still good."""
    links = [
        (invite, invites.Link(invite.label, invites.token_of(key, slug, invite.label)))
        for invite in invited.invites
        if invite.revoked_at is None
    ]
    return [link for invite, link in links if invites.hash_of(link.token) == invite.token_hash]


def _links_page(
    request: HttpRequest, slug: str, invited: queries.Invites, key: str, links: Sequence[invites.Link]
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
    links: Sequence[invites.Link],
    *,
    reissued: bool = False,
) -> HttpResponse:
    made = []
    for link in links:
        url = _url(request, link)
        # Nothing that somebody wrote is in it: an address becomes black and white squares.
        made.append(Slip(link.label, url, mark_safe(invites.qr_code(url))))
    return render(
        request, "polls/invites_slips.html", {"slug": slug, "poll": invited, "slips": made, "reissued": reissued}
    )


def _url(request: HttpRequest, link: invites.Link) -> str:
    return request.build_absolute_uri(reverse("invite-link", args=[link.token]))
