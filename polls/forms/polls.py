"""The forms that create, edit and correct polls."""

import re
import secrets
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from polls import queries
from polls.choices import Audience, Visibility
from polls.forms.options import LONGEST_OPTION, MOST_OPTIONS, find_problems, is_plain, looks, read_options
from polls.forms.schedule import ScheduleForm

LONGEST_TITLE = 200
LONGEST_DESCRIPTION = 5000

AUDIENCES = (
    (Audience.LINK, _("Anyone with the link, one vote per browser")),
    (Audience.ACCOUNT, _("People with an account here, one vote each")),
    (Audience.INVITE, _("People whom I invite, with a link for each")),
)
RESULTS = (
    (Visibility.ALWAYS, _("Everyone, at any time")),
    (Visibility.VOTED, _("Those who have voted")),
    (Visibility.CLOSED, _("Everyone, after the poll has closed")),
    (Visibility.OWNER, _("Only me")),
)

RECOUNT_NEEDS_RESULTS = _("Where anyone can recount the votes, others than you see the results.")


def new_key() -> str:
    """Return the key that seeds the random code of an address, 128 bits."""
    return secrets.token_urlsafe(16)


class TextField(forms.CharField):
    """Text that can be stored and shown. In a field of one line, runs of spaces become one space."""

    def __init__(self, *, lines: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lines = lines

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value))
        if not is_plain(text):
            raise ValidationError(_("Take out the character that is no text."), code="invalid")
        if not looks(text):
            return ""
        return text.replace("\r\n", "\n") if self.lines else " ".join(text.split())


class OptionsField(forms.Field):
    """Options, one per line. Cleaned, a list of texts in order."""

    widget = forms.Textarea(attrs={"rows": 6, "spellcheck": "true"})

    def to_python(self, value: Any) -> list[str]:
        options = read_options(value or "")
        if problems := find_problems(options):
            raise ValidationError(problems)
        return [option.text for option in options]


class VisibilityForm(forms.Form):
    """Who sees the results, and whether the front page shows the poll. Votes freeze neither."""

    results = forms.ChoiceField(
        label=_("Who sees the results?"),
        help_text=_(
            "For a secret ballot: people whom you invite, without “I see who chose what”, and the results for "
            "everyone after the poll has closed. While it is open you then see who has voted, and nobody sees counts. "
            "Anyone who watches live results while someone votes can work out their choice."
        ),
        choices=RESULTS,
        initial=Visibility.ALWAYS,
        widget=forms.RadioSelect,
    )
    listed = forms.BooleanField(label=_("Show the poll on the front page of this site"), required=False)

    def keep_results(self) -> None:
        """Take no answer to who sees the results: this user may not see them, and would open them to themselves."""
        self.fields["results"].disabled = True
        self.fields["results"].help_text = _("Only the owner, and staff who may see the results, can change this.")


class PollDetailsForm(VisibilityForm):
    """Everything about a poll that its owner decides, except its schedule."""

    field_order = ("title", "description", "options")

    title = TextField(
        label=_("Question"),
        max_length=LONGEST_TITLE,
        error_messages={"required": _("Write a question.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    description = TextField(
        label=_("More about it, if needed"),
        lines=True,
        required=False,
        max_length=LONGEST_DESCRIPTION,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    options = OptionsField(
        label=_("Options"),
        help_text=_("One a line, in the order in which voters see them."),
        required=False,  # find_problems says more about an empty field
    )
    audience = forms.ChoiceField(
        label=_("Who may vote?"),
        help_text=_(
            "A link is for quick questions: somebody with several browsers can vote more than once. Accounts are safer "
            "where not everyone can make one, or several. For votes that matter, invite people: one vote for each. The "
            "history of the poll shows everyone how many were invited and when, and after closing whether suspiciously "
            "many votes came at once."
        ),
        choices=AUDIENCES,
        initial=Audience.LINK,
        widget=forms.RadioSelect,
    )
    named = forms.BooleanField(
        label=_("I see who chose what"), help_text=_("The ballot tells voters so."), required=False
    )
    changeable = forms.BooleanField(
        label=_("Votes can be changed while the poll is open"),
        help_text=_(
            "Where those who have voted see the results, people can then vote, look at the results, and change their "
            "vote. To prevent that, show the results after closing."
        ),
        required=False,
    )
    shuffled = forms.BooleanField(
        label=_("Each voter sees the options in another order"),
        help_text=_("Then no option gains from standing first."),
        required=False,
    )
    locked = forms.BooleanField(
        label=_("Lock the poll once it has opened"),
        help_text=_(
            "Then nobody can close it early, open it again, change its times or who sees the results, or invite more "
            "people, and voters are told so. It needs a closing time."
        ),
        required=False,
    )
    recountable = forms.BooleanField(
        label=_("Anyone can recount the votes"),
        help_text=_(
            "After closing, each choice is published beside the hash of its receipt, without names. This does not go "
            "together with results for you only. It weakens the secrecy of an anonymous poll with few voters, or whose "
            "voters could be watched: who gets hold of a receipt sees the choice."
        ),
        required=False,
    )
    min_choices = forms.IntegerField(label=_("Fewest choices"), min_value=1, max_value=MOST_OPTIONS, initial=1)
    max_choices = forms.IntegerField(label=_("Most choices"), min_value=1, max_value=MOST_OPTIONS, initial=1)
    draw_source = TextField(
        label=_("Public value for a draw"),
        help_text=_(
            "If a winner will be drawn among the voters: a number that nobody knows yet and everybody can look up "
            "later, such as “the lottery numbers of 1 May”. Empty: draws do without one."
        ),
        required=False,
        max_length=200,
    )

    def clean(self) -> dict[str, Any]:
        super().clean()
        options = self.cleaned_data.get("options")
        fewest, most = self.cleaned_data.get("min_choices"), self.cleaned_data.get("max_choices")
        if options and most and most > len(options):
            problem = ngettext("There is only %(options)d option.", "There are only %(options)d options.", len(options))
            self.add_error("max_choices", problem % {"options": len(options)})
        elif fewest and most and fewest > most:
            self.add_error("min_choices", _("The fewest choices are no more than the most."))
        if self.cleaned_data.get("recountable") and self.cleaned_data.get("results") == Visibility.OWNER:
            self.add_error("results", RECOUNT_NEEDS_RESULTS)
        return self.cleaned_data

    def details(self) -> queries.PollDetails:
        """Return the details, once the form is valid."""
        return queries.PollDetails(**{name: self.cleaned_data[name] for name in queries.PollDetails._fields})


class PollForm(PollDetailsForm, ScheduleForm):
    """A new poll. Its address is made from `key`, so that a form sent twice creates one poll."""

    key = forms.CharField(widget=forms.HiddenInput, required=False, initial=new_key)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_bound:
            self.fields["title"].widget.attrs["autofocus"] = True

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        return key if re.fullmatch("[A-Za-z0-9_-]{22}", key) else new_key()


class CorrectionForm(forms.Form):
    """A typo corrected after the first vote: `field` is title, description or option, and `before` its current text."""

    reason = TextField(
        label=_("Why?"),
        help_text=_("Everyone is shown this, and what stood there before."),
        max_length=200,
        error_messages={"required": _("Say why.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, field: str, before: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before = before
        lines = field == "description"
        self.fields["after"] = TextField(
            label=_("Correct text"),
            lines=lines,
            required=not lines,
            max_length={"title": LONGEST_TITLE, "description": LONGEST_DESCRIPTION}.get(field, LONGEST_OPTION),
            initial=before,
            error_messages={"required": _("Write the correct text.")},
            widget=forms.Textarea(attrs={"rows": 6}) if lines else forms.TextInput(attrs={"autocomplete": "off"}),
        )
        self.order_fields(["after"])

    def clean_after(self) -> str:
        after: str = self.cleaned_data["after"]
        if after == self.before:
            raise ValidationError(_("This is what stands there already."))
        return after
