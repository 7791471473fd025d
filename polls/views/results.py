"""Results as pages, JSON and CSV, all behind one gate."""

from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.safestring import mark_safe
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from polls import queries
from polls.csv_export import csv_parts
from polls.receipts import Receipt
from polls.views.decorators import uncached
from polls.views.live import LiveResults
from polls.views.poll_texts import chosen_texts, when_visible
from polls.views.responses import render_shared_poll
from polls.views.shortcuts import record_of, results_or_404
from polls.views.viewers import Viewer, sees_all_results, viewer_of


@uncached
@require_safe
def results(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the counts, as far as this viewer may see them, and what the viewer has chosen."""
    viewer = viewer_of(request, slug)
    outcome = _results(request, slug, viewer)
    receipt = viewer.receipt_of(outcome.poll, outcome.own)
    live = LiveResults(outcome, charts=True)
    return _page(request, "polls/results.html", outcome, live, receipt)


@uncached
@require_safe
def wall(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the results on a big screen: what the public may see, even to the owner."""
    outcome = results_or_404(slug)
    return _page(request, "polls/wall.html", outcome, LiveResults(outcome, longest=10))


@uncached
@xframe_options_exempt
@csp_replace({"frame-ancestors": ["*"]})  # type: ignore[arg-type]  # its types do not allow views with arguments
@require_safe
def embed(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the results inside a page of another site: what the public may see. No cookie identifies the viewer."""
    outcome = results_or_404(slug)
    return _page(request, "polls/embed.html", outcome, LiveResults(outcome))


def _page(
    request: HttpRequest,
    template: str,
    outcome: queries.Results,
    live: LiveResults,
    receipt: Receipt | None = None,
) -> HttpResponse:
    if "live" in request.GET:  # live.js asks for the live part
        return live.response(request)
    context: dict[str, object] = {
        "goes_on": live.goes_on,
        "option_count": len(outcome.options),
        "visible": outcome.visible,
        "own": outcome.own._replace(receipt_id=None),
        "chosen": chosen_texts(outcome.options, outcome.choices),
        "record": record_of(outcome.poll, outcome.verification),
        "verification": outcome.verification,
        "checkpoint": outcome.checkpoint,
        "now": live.now,
    }
    # The live part is not of one visitor alone. But each vote makes another one, and the page around it stays.
    own = {"live_html": mark_safe(live.html().decode()), "receipt": receipt}
    return render_shared_poll(request, template, outcome.poll, context, own)


@uncached
@require_safe
def results_json(request: HttpRequest, slug: str) -> HttpResponse:
    """Send the counts for programs, or 403 where this viewer may not see them."""
    outcome = _results(request, slug)
    if not outcome.visible:
        return JsonResponse({"error": when_visible(outcome.poll)}, status=403)
    counts = {
        "slug": outcome.poll.slug,
        "title": outcome.poll.title,
        "state": outcome.poll.state,
        "voters": outcome.voter_count,
        "options": [option._asdict() for option in outcome.options],
        "record": record_of(outcome.poll, outcome.verification).hash,
        "checkpoint": outcome.checkpoint.hash if outcome.checkpoint else None,
    }
    return JsonResponse({**counts, "in_steps": True} if outcome.in_steps else counts)


@uncached
@require_safe
def results_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """Send the counts for spreadsheets, or 403 where this viewer may not see them."""
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


def _results(request: HttpRequest, slug: str, viewer: Viewer | None = None) -> queries.Results:
    viewer = viewer or viewer_of(request, slug)
    return results_or_404(slug, **viewer.claims, viewer_id=viewer.user_id, sees_all=sees_all_results(request))
