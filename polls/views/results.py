"""Results: pages, JSON and CSV, all through one gate."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from csp.decorators import csp_replace
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from polls import queries
from polls.charts import LETTERS, bars, pie
from polls.shares import shares
from polls.spreadsheets import csv_parts
from polls.views.common import pool, render_poll, texts_of, viewer_of, when_visible

PACE_SECONDS = 60


class Row(NamedTuple):
    """An option in the table: its share as shown, and its letter in the pie."""

    option: queries.OptionResult
    share: float
    letter: str


class Busiest(NamedTuple):
    """The step in which most votes were cast."""

    votes: int
    start: datetime
    end: datetime


@never_cache
@require_safe
def results(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the counts, as far as this viewer may see them, and what the viewer chose."""
    return _page(request, "polls/results.html", _results(request, slug))


@never_cache
@require_safe
def wall(request: HttpRequest, slug: str) -> HttpResponse:
    """The results for a big screen: what everybody may see, whoever switched it on."""
    return _page(request, "polls/wall.html", _results_for(slug))


@never_cache
@xframe_options_exempt
@csp_replace({"frame-ancestors": ["*"]})  # type: ignore[arg-type]  # its types know no arguments of views
@require_safe
def embed(request: HttpRequest, slug: str) -> HttpResponse:
    """The results inside a page of somebody else's: what everybody may see. No cookie says who asks."""
    return _page(request, "polls/embed.html", _results_for(slug))


def _page(request: HttpRequest, template: str, outcome: queries.Results) -> HttpResponse:
    etag = _etag(request, outcome)
    response = get_conditional_response(request, etag=etag)
    if response is None:
        response = render_poll(request, template, outcome.poll, {"etag": etag, **_context(outcome)})
    response["ETag"] = etag
    return response


def _etag(request: HttpRequest, outcome: queries.Results) -> str:
    """Name what this viewer is shown. Hidden votes are no part of it, and without the key it tells nothing else."""
    shown = repr((request.path, get_language(), outcome))
    return f'W/"{salted_hmac("polls.etag", shown, algorithm="sha256").hexdigest()[:32]}"'


def _context(outcome: queries.Results) -> dict[str, object]:
    poll, votes = outcome.poll, [option.votes for option in outcome.options]
    most = max(votes, default=0)
    one_choice_each = poll.max_choices == 1 and 2 <= len(votes) <= len(LETTERS)
    pace = _pace(outcome)
    context: dict[str, object] = {
        "visible": outcome.visible,
        "when_visible": when_visible(poll),
        # Who may never see the results has nothing to wait for.
        "live": poll.state == "open" and (outcome.visible or poll.results != "owner"),
        "longest": 60,
        "now": timezone.now(),
        "voters": outcome.voters,
        "rows": [
            Row(option, share, LETTERS[place : place + 1])
            for place, (option, share) in enumerate(zip(outcome.options, shares(votes, outcome.voters), strict=True))
        ],
        "leaders": [option.text for option in outcome.options if option.votes == most and most],
        "most": most,
        "pie": pie(votes) if one_choice_each else [],
        "pace": pace,
        "chosen": texts_of(outcome.options, outcome.choices),
        "seal": outcome.seal,
    }
    if pace:
        place = pace.counts.index(max(pace.counts))
        start = pace.start + place * pace.step
        context |= {
            "pace_bars": bars(pace.counts),
            "busiest": Busiest(pace.counts[place], start, min(start + pace.step, pace.end)),
        }
    return context


def _pace(outcome: queries.Results) -> queries.Pace | None:
    """Return the votes over time, counted once a minute at most: it is the one thing here that reads all votes."""
    if not outcome.visible:
        return None

    def count() -> queries.Pace | None:
        with pool().connection(autocommit=True) as conn:
            return queries.get_pace(conn, outcome, timezone.now())

    pace: queries.Pace | None = cache.get_or_set(f"pace/{outcome.poll.id}/{outcome.poll.state}", count, PACE_SECONDS)
    return pace


@never_cache
@require_safe
def results_json(request: HttpRequest, slug: str) -> HttpResponse:
    """The counts for programs; 403 where this viewer may not see them."""
    outcome = _results(request, slug)
    if not outcome.visible:
        return JsonResponse({"error": when_visible(outcome.poll)}, status=403)
    return JsonResponse(
        {
            "slug": outcome.poll.slug,
            "title": outcome.poll.title,
            "state": outcome.poll.state,
            "voters": outcome.voters,
            "options": [option._asdict() for option in outcome.options],
        }
    )


@never_cache
@require_safe
def results_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """The counts for spreadsheets; 403 where this viewer may not see them."""
    outcome = _results(request, slug)
    if not outcome.visible:
        return HttpResponse(when_visible(outcome.poll), status=403, content_type="text/plain; charset=utf-8")
    rows = [["option", "votes", "percent of voters"]]
    rows += ([option.text, str(option.votes), f"{option.share:.2f}"] for option in outcome.options)
    return HttpResponse(
        b"".join(csv_parts(rows)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{slug}.csv"'},
    )


def _results(request: HttpRequest, slug: str) -> queries.Results:
    viewer = viewer_of(request, slug)
    return _results_for(slug, voters=viewer.keys, viewer_id=viewer.user_id)


def _results_for(slug: str, *, voters: Sequence[str] = (), viewer_id: int | None = None) -> queries.Results:
    try:
        with pool().connection(autocommit=True) as conn:
            outcome = queries.get_results(conn, slug, voters=voters, viewer_id=viewer_id)
    except queries.PollNotFound:
        raise Http404 from None
    if outcome.poll.state == "draft":
        raise Http404
    return outcome
