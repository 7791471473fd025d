"""The options of a poll as a text: one a line."""

import re
import unicodedata
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

FEWEST_OPTIONS = 2
MOST_OPTIONS = 1000
LONGEST_OPTION = 200
MOST_PROBLEMS = 10  # that are named

INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


class OptionLine(NamedTuple):
    """One option, and the line on which it stands; blank lines count, as in the editor."""

    line: int
    text: str


def looks(text: str) -> str:
    """Return what a text looks like, as polls_looks in the database: texts that look alike are equal then."""
    visible = INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(visible.split()).lower()


def is_plain(text: str) -> bool:
    """Tell whether a text holds nothing but what can be stored and shown: no control characters, no lone surrogates."""
    return all(character.isspace() or unicodedata.category(character) not in ("Cc", "Cs") for character in text)


def read_options(text: str) -> list[OptionLine]:
    """Return the options of a text in order, without blank lines and without spaces at both ends."""
    lines = (" ".join(line.split()) for line in re.split(r"\r\n|\r|\n", text))
    return [OptionLine(number, line) for number, line in enumerate(lines, 1) if line]


def find_problems(options: list[OptionLine]) -> list[str]:
    """Say what is wrong with the options, line by line; an empty list is good."""
    if len(options) < FEWEST_OPTIONS:
        return [_("Write at least two options, one a line.")]
    if len(options) > MOST_OPTIONS:
        text = _("There are %(lines)d options, and %(most)d are the most.")
        return [text % {"lines": len(options), "most": MOST_OPTIONS}]
    first_lines: dict[str, int] = {}
    problems = []
    for line, text in options:
        look = looks(text)
        problem = _problem_of(text, look)
        if not problem and (first := first_lines.setdefault(look, line)) != line:
            problem = _("looks the same as line %(first)d") % {"first": first}
        if problem:
            problems.append(_("Line %(line)d, “%(text)s”, %(problem)s.") % _named(line, text, problem))
    if (more := len(problems) - MOST_PROBLEMS) > 0:
        text = ngettext("… and %(more)d more line.", "… and %(more)d more lines.", more)
        problems[MOST_PROBLEMS:] = [text % {"more": more}]
    return problems


def _problem_of(text: str, look: str) -> str:
    if not is_plain(text):
        return _("holds a character that is no text")
    if not look:
        return _("holds nothing that can be seen")
    if len(text) > LONGEST_OPTION:
        problem = _("has %(length)d characters, and %(most)d are the most")
        return problem % {"length": len(text), "most": LONGEST_OPTION}
    return ""


def _named(line: int, text: str, problem: str) -> dict[str, object]:
    shown = text if len(text) <= 40 else f"{text[:40]}…"
    return {"line": line, "text": "".join(filter(is_plain, shown)), "problem": problem}
