"""Sentences about a poll that several pages show."""

from collections.abc import Sequence

from django.utils.translation import gettext, gettext_noop, ngettext

from polls import queries
from polls.choices import Visibility

LOCKED = gettext_noop(
    "This poll is locked: since it opened nobody can close it early, open it again, change its rules, its times or who "
    "sees the results, or invite more people."
)
LOCKED_WITHOUT_END = gettext_noop(
    "A locked poll needs a closing time before it opens, for nobody can close it by hand."
)

FEWEST_IN_A_BURST = 20
BURST = 10  # times the average


def choice_rule(poll: queries.PollRow) -> str:
    """Say in words how many options a ballot of this poll holds."""
    numbers = {"fewest": poll.min_choices, "most": poll.max_choices}
    if poll.max_choices == 1:
        return gettext("Choose one option")
    if poll.min_choices == poll.max_choices:
        text = ngettext("Choose %(most)d option", "Choose %(most)d options", poll.max_choices)
    elif poll.min_choices == 1:
        text = ngettext("Choose up to %(most)d option", "Choose up to %(most)d options", poll.max_choices)
    else:
        text = ngettext(
            "Choose %(fewest)d to %(most)d option", "Choose %(fewest)d to %(most)d options", poll.max_choices
        )
    return text % numbers


def when_visible(poll: queries.PollRow) -> str:
    """Say in words who sees the results of a poll, and when."""
    if poll.withholds_counts:
        if poll.shows_results_to_owner_only:
            return gettext("The results are shown to the owner of the poll after it has closed, and to nobody before.")
        return gettext("The results are shown after the poll has closed, and to nobody before.")
    return {
        Visibility.ALWAYS: gettext("The results are shown to everybody, at any time."),
        Visibility.VOTED: gettext("The results are shown to those who have voted."),
        Visibility.CLOSED: gettext("The results are shown after the poll has closed."),
        Visibility.OWNER: gettext("The results are shown to the owner of the poll."),
    }[Visibility(poll.results)]


def is_burst(busiest: queries.BusiestMinute) -> bool:
    """Whether a minute is suspicious. A class that votes together is not, nor is a poll that lasted minutes."""
    average = busiest.votes / busiest.minutes
    return busiest.votes_then >= FEWEST_IN_A_BURST and busiest.votes_then >= BURST * average


def chosen_texts(
    options: Sequence[queries.OptionRow] | Sequence[queries.OptionResult], choices: list[int] | None
) -> list[str] | None:
    """Return the texts of the chosen options in the order chosen, None where there is no vote."""
    if choices is None:
        return None
    texts = {option.id: option.text for option in options}
    return [texts[choice] for choice in choices]
