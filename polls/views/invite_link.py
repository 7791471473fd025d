"""Following the link of an invitation."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from polls import invite_tokens, queries, rate_limits
from polls.database import pool
from polls.views.decorators import uncached
from polls.views.invite_cookies import (
    Invitation,
    accept_invitation,
    decline_invitation,
    invited,
    offer_invitation,
    offered_invitation,
)
from polls.views.responses import render_poll, see_other, too_many_requests


@uncached
@require_safe
def invite_link(request: HttpRequest, token: str) -> HttpResponse:
    """Offer the browser the invitation, and redirect it to the poll, whose address no longer holds the token.

    It writes nothing to the database, so that mail programs which open links use nothing up.
    """
    # Only links that do not exist count, for a whole school may share one address.
    if seconds := rate_limits.blocked("guesses", request.META):
        return too_many_requests(request, seconds)
    token_hash = invite_tokens.hash_of(token)
    with pool().connection(autocommit=True) as conn:
        found = queries.find_invite(conn, token_hash)
    if found is None:
        if seconds := rate_limits.count("guesses", request.META):
            return too_many_requests(request, seconds)
        response = render(request, "polls/invite_unknown.html", status=404)
    else:
        slug, invite_id = found
        response = see_other("polls:poll", slug)
        offer_invitation(response, slug, Invitation(invite_id, token_hash))
    response["Referrer-Policy"] = "no-referrer"
    return response


@uncached
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask before the invitation of a link takes the place of another person's in this browser."""
    offered, kept = offered_invitation(request, slug), invited(request, slug)
    response = see_other("polls:poll", slug)
    if offered is None or kept is None or kept.invite_id == offered.invite_id:
        return response
    if "accept" in request.POST:
        accept_invitation(response, slug, offered)
        return response
    if "decline" in request.POST:
        decline_invitation(response, slug)
        return response
    try:
        with pool().connection(autocommit=True) as conn:
            poll = queries.get_poll(conn, slug).poll
            labels = queries.get_invite_labels(conn, poll.id, [offered.invite_id, kept.invite_id])
    except queries.PollNotFound:
        raise Http404 from None
    context: dict[str, object] = {"offered": labels.get(offered.invite_id), "kept": labels.get(kept.invite_id)}
    return render_poll(request, "polls/invitation.html", poll, context)
