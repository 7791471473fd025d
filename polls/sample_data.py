"""Sample polls with votes. The same seed gives the same polls, options and votes, at later times.

All votes are cast now: their times are the database's, even here.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import accumulate, islice
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from polls import queries
from polls.slugs import make_slug

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

OPEN_SINCE = timedelta(days=2)
LINES_A_READ = 1000

# Title, most choices, options.
SAMPLES: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    (
        "Where shall the club go for its summer trip?",
        1,
        ("Walking in the hills", "Canoeing on the lake", "A weekend in the city", "Nowhere, a barbecue here"),
    ),
    ("Which evenings suit you for rehearsals?", 3, ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")),
    ("What should the library buy next?", 2, ("Novels", "Comics", "Board games", "Cookery", "Science", "Audiobooks")),
    ("Shall we keep the four-day week after the trial?", 1, ("Yes", "No", "Extend the trial by half a year")),
    ("Which name for the new meeting room?", 1, ("Curie", "Lovelace", "Noether", "Hopper")),
)


class SamplePoll(NamedTuple):
    """A poll to create, and the source of its votes."""

    slug: str
    title: str
    options: list[str]
    max_choices: int
    votes: int
    random: Random


def make_sample(number: int, options: int | None, votes: int, seed: int) -> SamplePoll:
    """Return the sample poll of this number, with `options` options. The seed decides its address and votes."""
    title, max_choices, texts = SAMPLES[number % len(SAMPLES)]
    random = Random(f"{seed}/{number}/{options}/{votes}")
    count = len(texts) if options is None else options
    filled = [*texts[:count], *(f"Option {n}" for n in range(len(texts) + 1, count + 1))]
    return SamplePoll(make_slug(title, random), title, filled, min(max_choices, count), votes, random)


def create_sample(conn: "Connection", sample: SamplePoll, progress: Callable[[int], object]) -> bool:
    """Create the poll with its options and votes, in one transaction. Return False where it exists already.

    `progress` is called with the number of votes sent since.
    """
    opens_at = datetime.now(timezone.utc) - OPEN_SINCE
    with conn:
        created = queries.create_sample_poll(
            conn,
            sample.slug,
            sample.title,
            "A sample: vote as you like.",
            sample.options,
            min_choices=1,
            max_choices=sample.max_choices,
            opens_at=opens_at,
        )
        if created is None:
            return False
        poll_id, option_ids = created
        reader = _VoteFile(_lines(sample, poll_id, option_ids), progress)
        try:
            queries.copy_votes(conn, reader)
        except queries.UNAVAILABLE:
            if reader.interruption:  # which psycopg2 reports as a cancelled query
                raise reader.interruption from None
            raise
    return True


def _lines(sample: SamplePoll, poll_id: int, option_ids: Sequence[int]) -> Iterator[str]:
    """Yield votes in COPY's text format."""
    weights = list(accumulate(sample.random.uniform(0.2, 1) for _ in option_ids))
    for number in range(sample.votes):
        wanted = sample.random.randint(1, sample.max_choices)
        # A dict keeps the order, and choosing an option again adds nothing.
        choices: dict[int, None] = {}
        while len(choices) < wanted:
            choices[sample.random.choices(option_ids, cum_weights=weights)[0]] = None
        yield f"{poll_id}\tsample-{number}\t{{{','.join(map(str, choices))}}}\n"


class _VoteFile:
    """The file that COPY reads. Its lines are generated as it is read."""

    def __init__(self, lines: Iterator[str], progress: Callable[[int], object]) -> None:
        self._lines = lines
        self._progress = progress
        self.interruption: BaseException | None = None

    def read(self, size: int = -1, /) -> str:
        try:
            lines = list(islice(self._lines, LINES_A_READ))
            self._progress(len(lines))
        except BaseException as interruption:
            self.interruption = interruption
            raise
        return "".join(lines)
