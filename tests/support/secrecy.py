"""What people who run a poll are shown of it, on every page there is."""

import re

from django.urls import get_resolver

# What differs between two requests and tells nothing of votes: tokens of forms, times, and hashes of secrets.
NOISE = re.compile(
    r'value="\w{64}"|<time[^>]*>.*?</time>|[0-9a-f]{64}|data-etag="[^"]*"|nonce="[^"]*"|0x[0-9a-f]+', re.DOTALL
)
# These act, or need a number of their own; the numbers are those of the first.
NUMBERED = {"number": 1, "invite_id": 1, "action": "nothing", "code": "nothing", "token": "nothing"}


def addresses(poll):
    """Every address of the site that a browser can get about a poll."""
    [patterns] = [pattern for pattern in get_resolver().url_patterns if getattr(pattern, "namespace", "") == "polls"]
    paths = []
    for pattern in patterns.url_patterns:
        route = str(pattern.pattern)
        if "<slug:slug>" in route:
            path = route.replace("<slug:slug>", poll.slug)
            paths.append("/" + re.sub(r"<\w+:(\w+)>", lambda match: str(NUMBERED[match[1]]), path))
    paths += [f"{path}?live" for path in paths if path.endswith(("/results/", "/wall/", "/embed/"))]
    paths += [f"/polls/{poll.slug}/{path}" for path in ("manage/?pace", "invites/?q=ann", "correct/?what=title")]
    admin = [f"poll/{poll.id}/change/", f"poll/{poll.id}/history/", "poll/", "event/", "vote/"]
    return [*paths, "/mine/", "/", "/?order=votes", *(f"/admin/polls/{path}" for path in admin)]


def shown(client, poll):
    """What each of the addresses shows: status, ETag, and body without noise."""
    pages = {}
    for path in addresses(poll):
        response = client.get(path)
        pages[path] = response.status_code, response.get("ETag"), NOISE.sub("", b"".join(response).decode())
    return pages
