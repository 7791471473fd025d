"""Following the link of an invitation."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from polls import invite_tokens, queries, rate_limits
from polls.database import pool
from polls.views.invite_cookies import Invitation, remember_invitation
from polls.views.responses import see_other, too_many_requests


@never_cache
@require_safe
def invite_link(request: HttpRequest, token: str) -> HttpResponse:
    """Give the browser the invitation, and redirect it to the poll, whose address no longer holds the token.

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
        remember_invitation(response, slug, Invitation(invite_id, token_hash))
    response["Referrer-Policy"] = "no-referrer"
    return response
