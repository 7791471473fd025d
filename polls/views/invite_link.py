"""Following the link of an invitation."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from polls import invites, limits, queries
from polls.views.common import pool, see_other
from polls.views.invitation import Invitation, remember_invitation
from polls.views.limited import too_many_requests


@never_cache
@require_safe
def follow(request: HttpRequest, token: str) -> HttpResponse:
    """Give the browser the invitation and send it to the poll, out of whose address the secret then is.

    Nothing is written, so that programs which open the links in mails use nothing up.
    """
    # Only links that do not exist count, for a whole school may come from one address.
    if seconds := limits.blocked("guesses", request.META):
        return too_many_requests(request, seconds)
    token_hash = invites.hash_of(token)
    with pool().connection(autocommit=True) as conn:
        found = queries.find_invite(conn, token_hash)
    if found is None:
        if seconds := limits.count("guesses", request.META):
            return too_many_requests(request, seconds)
        response = render(request, "polls/invite_unknown.html", status=404)
    else:
        slug, invite_id = found
        response = see_other("poll", slug)
        remember_invitation(response, slug, Invitation(invite_id, token_hash))
    response["Referrer-Policy"] = "no-referrer"
    return response
