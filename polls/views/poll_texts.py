"""Sentences about a poll that several pages show."""

from collections.abc import Sequence

from django.utils.translation import gettext, ngettext

from polls import queries
from polls.choices import Visibility


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


def chosen_texts(
    options: Sequence[queries.OptionRow] | Sequence[queries.OptionResult], choices: list[int] | None
) -> list[str] | None:
    """Return the texts of the chosen options in the order chosen, None where there is no vote."""
    if choices is None:
        return None
    texts = {option.id: option.text for option in options}
    return [texts[choice] for choice in choices]
