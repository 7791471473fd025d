"""The live part of a results page, which refreshes by itself and is the same for every viewer of the results."""

from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language

from polls import queries
from polls.charts import LETTERS, bars, pie
from polls.percentages import percentages
from polls.views.poll_texts import when_visible
from polls.views.responses import zone_of
from polls.views.shared_pages import rendered
from polls.views.timelines import timeline_of


class Row(NamedTuple):
    """An option in the table: its percentage as shown, and its letter in the pie."""

    option: queries.OptionResult
    share: float
    letter: str


class BusiestStep(NamedTuple):
    """The step in which most votes were cast."""

    votes: int
    start: datetime
    end: datetime


class LiveResults:
    """The results as a part of a page.

    A thousand watchers ask again and again: each process renders what they see once, and knows its ETag from the answer
    of the database. Neither holds hidden votes, nor anything about the viewer.
    """

    def __init__(self, results: queries.Results, *, charts: bool = False, longest: int = 60) -> None:
        self.results = results._replace(
            own=queries.NO_VOTE, voter_key=None, step_due=False, checkpoint=None, unchecked=False
        )
        self.charts = charts
        self.longest = longest  # seconds between two refreshes
        # A viewer who will never see the results has nothing to wait for.
        poll = results.poll
        self.goes_on = poll.is_open and (results.visible or not poll.shows_results_to_owner_only)
        self.now = timezone.now().replace(second=0, microsecond=0)  # as precise as the page says it

    @cached_property
    def etag(self) -> str:
        """What is the same for as long as the part shows the same counts, in every process."""
        shown = repr((get_language(), self.charts, self.longest, self.results))
        # Keyed, so that owner_id and the like cannot be guessed from it.
        return f'"{salted_hmac("polls.live", shown, algorithm="sha256").hexdigest()[:32]}"'

    def response(self, request: HttpRequest) -> HttpResponse:
        """Answer with the part alone, or with 304 where the browser has it already."""
        response = get_conditional_response(request, etag=self.etag)
        if response is None:
            response = HttpResponse(self.html())
        response["ETag"] = self.etag
        return response

    def html(self) -> bytes:
        """Return the part, rendered in this minute."""
        timeline = timeline_of(self.results) if self.charts else None
        shown = (self.charts, self.longest, self.now, self.results, timeline)
        return rendered(shown, lambda: self._render(timeline))

    def _render(self, timeline: queries.Timeline | None) -> str:
        context = self._context(timeline)
        with timezone.override(zone_of(self.results.poll)):
            return render_to_string("polls/_live_results.html", context)

    def _context(self, timeline: queries.Timeline | None) -> dict[str, object]:
        poll, visible, voter_count, options, *_ = self.results
        votes = [option.votes for option in options]
        most = max(votes, default=0)
        one_choice_of_few = poll.max_choices == 1 and 2 <= len(options) <= len(LETTERS)
        context: dict[str, object] = {
            "poll": poll,
            "etag": self.etag if self.goes_on else None,
            "longest": self.longest,
            "visible": visible,
            "in_steps": self.results.in_steps,
            "when_visible": when_visible(poll),
            "now": self.now,
            "voter_count": voter_count,
            "rows": [
                Row(option, share, LETTERS[place : place + 1])
                for place, (option, share) in enumerate(zip(options, percentages(votes, voter_count), strict=True))
            ],
            "leaders": [option.text for option in options if option.votes == most and most],
            "most": most,
            "pie": pie(votes) if one_choice_of_few else [],
        }
        if timeline:
            place = timeline.counts.index(max(timeline.counts))
            start = timeline.start + place * timeline.step
            context["timeline"] = timeline
            context["timeline_bars"] = bars(timeline.counts)
            context["busiest"] = BusiestStep(timeline.counts[place], start, min(start + timeline.step, timeline.end))
        return context
