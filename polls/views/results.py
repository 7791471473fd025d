"""Results: a page, JSON and CSV, all through one gate."""

import csv

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from polls import queries
from polls.shares import shares
from polls.views.common import pool, render_poll, texts_of, viewer_of


@never_cache
@require_safe
def results(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the counts, as far as this viewer may see them, and what the viewer chose."""
    outcome = _results(request, slug)
    most = max((option.votes for option in outcome.options), default=0)
    shown = shares([option.votes for option in outcome.options], outcome.voters)
    context: dict[str, object] = {
        "visible": outcome.visible,
        "when_visible": _when_visible(outcome.poll),
        "voters": outcome.voters,
        "rows": list(zip(outcome.options, shown, strict=True)),
        "leaders": [option.text for option in outcome.options if option.votes == most and most],
        "most": most,
        "chosen": texts_of(outcome.options, outcome.choices),
        "seal": outcome.seal,
    }
    return render_poll(request, "polls/results.html", outcome.poll, context)


@never_cache
@require_safe
def results_json(request: HttpRequest, slug: str) -> HttpResponse:
    """The counts for programs; 403 where this viewer may not see them."""
    outcome = _results(request, slug)
    if not outcome.visible:
        return JsonResponse({"error": _when_visible(outcome.poll)}, status=403)
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
        return HttpResponse(_when_visible(outcome.poll), status=403, content_type="text/plain; charset=utf-8")
    response = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{slug}.csv"'},
    )
    writer = csv.writer(response)
    writer.writerow(["option", "votes", "percent of voters"])
    for option in outcome.options:
        writer.writerow([_no_formula(option.text), option.votes, f"{option.share:.2f}"])
    return response


def _no_formula(text: str) -> str:
    """Keep spreadsheets from running a text that somebody wrote as a formula."""
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@", "|", "%") or text[:1] in "\t\r\n" else text


def _results(request: HttpRequest, slug: str) -> queries.Results:
    viewer = viewer_of(request, slug)
    try:
        with pool().connection(autocommit=True) as conn:
            outcome = queries.get_results(conn, slug, voters=viewer.keys, viewer_id=viewer.user_id)
    except queries.PollNotFound:
        raise Http404 from None
    if outcome.poll.state == "draft":
        raise Http404
    return outcome


def _when_visible(poll: queries.PollRow) -> str:
    return {
        "voted": "The results are shown to those who have voted.",
        "closed": "The results are shown after the poll has closed.",
    }.get(poll.results, "The results are shown to the owner of the poll.")
