"""Sample polls with votes: the same seed gives the same polls, options and votes, only later."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import accumulate, islice
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from polls import queries
from polls.models import make_slug

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# Votes came in over these two days, the last of them a while ago.
OPEN_SINCE = timedelta(days=2)
VOTED_FOR = timedelta(hours=46)
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


class Seed(NamedTuple):
    """A poll to be sown, and the source of its votes."""

    slug: str
    title: str
    options: list[str]
    max_choices: int
    votes: int
    random: Random


def make_seed(number: int, options: int | None, votes: int, seed: int) -> Seed:
    """Return the poll of this number: its options cut or filled to `options`, its address drawn from the seed."""
    title, max_choices, texts = SAMPLES[number % len(SAMPLES)]
    random = Random(f"{seed}/{number}/{options}/{votes}")
    count = len(texts) if options is None else options
    filled = [*texts[:count], *(f"Option {n}" for n in range(len(texts) + 1, count + 1))]
    return Seed(make_slug(title, random), title, filled, min(max_choices, count), votes, random)


def sow(conn: "Connection", seed: Seed, progress: Callable[[int], object]) -> bool:
    """Create the poll with its options and votes, in one transaction; return False where it is there already.

    `progress` is told how many more votes were sent.
    """
    opens_at = datetime.now(timezone.utc) - OPEN_SINCE
    with conn:
        created = queries.seed_poll(
            conn,
            seed.slug,
            seed.title,
            "A sample: vote as you like.",
            seed.options,
            min_choices=1,
            max_choices=seed.max_choices,
            opens_at=opens_at,
        )
        if created is None:
            return False
        poll_id, option_ids = created
        reader = _Reader(_lines(seed, poll_id, option_ids, opens_at), progress)
        try:
            queries.copy_votes(conn, reader)
        except queries.UNAVAILABLE:
            if reader.interruption:  # psycopg2 reports it as a query that was cancelled
                raise reader.interruption from None
            raise
    return True


def _lines(seed: Seed, poll_id: int, option_ids: Sequence[int], opens_at: datetime) -> Iterator[str]:
    """Yield votes in COPY's text format, in the order of their times."""
    weights = list(accumulate(seed.random.uniform(0.2, 1) for _ in option_ids))
    step = VOTED_FOR / max(seed.votes, 1)
    for number in range(seed.votes):
        wanted = seed.random.randint(1, seed.max_choices)
        # A dict keeps the order; drawing again what was drawn adds nothing.
        choices: dict[int, None] = {}
        while len(choices) < wanted:
            choices[seed.random.choices(option_ids, cum_weights=weights)[0]] = None
        yield f"{poll_id}\tsample-{number}\t{{{','.join(map(str, choices))}}}\t{opens_at + step * number}\n"


class _Reader:
    """The file that COPY reads, made of lines as they are generated."""

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
