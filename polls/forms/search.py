"""The search form of lists: words to look for, the order, and the page."""

from django import forms


class SearchForm(forms.Form):
    """Words to look for, the order of the list, and the number of its page."""

    q = forms.CharField(required=False, max_length=100)
    order = forms.ChoiceField(required=False, choices=(("newest", "newest"), ("votes", "votes")))
    page = forms.IntegerField(required=False, min_value=1, max_value=10_000)

    def clean_q(self) -> str:
        text: str = self.cleaned_data["q"]
        # PostgreSQL can neither store nor compare lone surrogates.
        return text.encode("utf-8", "ignore").decode()
