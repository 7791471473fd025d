"""The options of a poll, read from text with one option per line."""

import re
import unicodedata
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

FEWEST_OPTIONS = 2
MOST_OPTIONS = 1000
LONGEST_OPTION = 200
MOST_PROBLEMS = 10  # in one error message

INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


class OptionLine(NamedTuple):
    """An option, and the number of its line. Blank lines count, as they do in an editor."""

    line: int
    text: str


def looks(text: str) -> str:
    """Return the look of a text, as polls_looks does in the database: it is the same for texts that look alike."""
    visible = INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(visible.split()).lower()


def is_plain(text: str) -> bool:
    """Whether a text can be stored and shown: it has no control characters and no lone surrogates."""
    return all(character.isspace() or unicodedata.category(character) not in ("Cc", "Cs") for character in text)


def read_options(text: str) -> list[OptionLine]:
    """Return the options in order, without blank lines and surrounding spaces."""
    lines = (" ".join(line.split()) for line in re.split(r"\r\n|\r|\n", text))
    return [OptionLine(number, line) for number, line in enumerate(lines, 1) if line]


def find_problems(options: list[OptionLine]) -> list[str]:
    """Return what is wrong with the options, a sentence per line. An empty list means that they are valid."""
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
