"""Visitors: what a browser keeps of a ballot page, and sends with the next requests."""

import html
import random
import re
from typing import NamedTuple
from urllib.parse import urlencode

from benchmarks.load import Answer

FORM = re.compile(r"<form\b(.*?)>(.*?)</form>", re.DOTALL)
INPUT = re.compile(r"<input\b([^>]*)>")
ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
COOKIE = re.compile(rb"\r\nset-cookie: *([^;\r]+)", re.IGNORECASE)


class Visitor(NamedTuple):
    """A browser that has seen a ballot: its cookies, and the ballot's address, hidden fields and choices."""

    cookie: str
    action: str
    hidden: list[tuple[str, str]]
    choices: list[tuple[str, str]]

    def vote(self) -> str:
        """Return the body of a POST that votes for any of the choices."""
        return urlencode([*self.hidden, random.choice(self.choices)])


def read_ballot(answer: Answer, path: str) -> Visitor:
    """Return the visitor that this answer makes of a browser without cookies. The ballot is the form with choices."""
    cookie = "; ".join(pair.decode() for pair in COOKIE.findall(answer.head))
    for form, content in FORM.findall(answer.body.decode()):
        inputs = [dict(ATTRIBUTE.findall(text)) for text in INPUT.findall(content)]
        fields = {
            kind: [(field["name"], html.unescape(field["value"])) for field in inputs if field.get("type") == kind]
            for kind in ("hidden", "radio")
        }
        if fields["radio"]:
            action = dict(ATTRIBUTE.findall(form)).get("action", path)
            return Visitor(cookie, html.unescape(action), fields["hidden"], fields["radio"])
    raise ValueError(f"no ballot in {answer.body[:300]!r}")
