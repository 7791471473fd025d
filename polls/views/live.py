"""The part of a results page that refreshes by itself: the same for all who may see the results."""

from datetime import datetime
from typing import NamedTuple, cast

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language

from polls import queries
from polls.charts import LETTERS, bars, pie
from polls.shares import shares
from polls.views.common import pool, when_visible, zone_of

KEPT_SECONDS = 60
MOST_OPTIONS_KEPT = 100


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


class Live:
    """What is shown of the results to whoever asked for them, as a part of a page.

    A thousand watchers ask again and again: what they are shown is rendered once in a process, and its ETag is known
    from the answer of the database. Hidden votes are in neither, and nothing of the viewer is.
    """

    def __init__(self, outcome: queries.Results, *, charts: bool = False, longest: int = 60) -> None:
        self.outcome = outcome._replace(choices=None, voter=None)
        self.charts = charts
        self.longest = longest  # seconds between two refreshes
        # Who may never see the results has nothing to wait for.
        self.goes_on = outcome.poll.state == "open" and (outcome.visible or outcome.poll.results != "owner")
        shown = repr((get_language(), charts, longest, self.outcome))
        # With a key: owner_id and the like cannot be guessed from it.
        self.digest = salted_hmac("polls.live", shown, algorithm="sha256").hexdigest()[:32]
        self.etag = f'"{self.digest}"'

    def response(self, request: HttpRequest) -> HttpResponse:
        """Answer with the part alone, or with 304 where the browser has it."""
        response = get_conditional_response(request, etag=self.etag)
        if response is None:
            response = HttpResponse(self.html())
        response["ETag"] = self.etag
        return response

    def html(self) -> str:
        """Return the part, which may have been rendered up to a minute ago."""
        if len(self.outcome.options) > MOST_OPTIONS_KEPT:
            return self._render()
        return cast("str", cache.get_or_set(f"live/{self.digest}", self._render, KEPT_SECONDS))

    def _render(self) -> str:
        context = self._context()
        with timezone.override(zone_of(self.outcome.poll)):
            return render_to_string("polls/live.html", context)

    def _context(self) -> dict[str, object]:
        poll, visible, voters, options, *_ = self.outcome
        votes = [option.votes for option in options]
        most = max(votes, default=0)
        one_choice_of_few = poll.max_choices == 1 and 2 <= len(options) <= len(LETTERS)
        context: dict[str, object] = {
            "poll": poll,
            "etag": self.etag if self.goes_on else None,
            "longest": self.longest,
            "visible": visible,
            "when_visible": when_visible(poll),
            "now": timezone.now(),
            "voters": voters,
            "rows": [
                Row(option, share, LETTERS[place : place + 1])
                for place, (option, share) in enumerate(zip(options, shares(votes, voters), strict=True))
            ],
            "leaders": [option.text for option in options if option.votes == most and most],
            "most": most,
            "pie": pie(votes) if one_choice_of_few else [],
        }
        if self.charts and (pace := self._pace()):
            place = pace.counts.index(max(pace.counts))
            start = pace.start + place * pace.step
            context["pace"] = pace
            context["pace_bars"] = bars(pace.counts)
            context["busiest"] = Busiest(pace.counts[place], start, min(start + pace.step, pace.end))
        return context

    def _pace(self) -> queries.Pace | None:
        """Return the votes over time, counted once a minute: the one thing here that reads all votes."""
        if not self.outcome.visible:
            return None

        def count() -> queries.Pace | None:
            with pool().connection(autocommit=True) as conn:
                return queries.get_pace(conn, self.outcome, timezone.now())

        poll = self.outcome.poll
        pace: queries.Pace | None = cache.get_or_set(f"pace/{poll.id}/{poll.state}", count, KEPT_SECONDS)
        return pace
