"""The form for a receipt."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from polls.receipts import Receipt, read_receipt


class ReceiptForm(forms.Form):
    """The code of a receipt, as a voter noted it down."""

    code = forms.CharField(
        label=gettext_lazy("Your receipt"),
        max_length=100,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "dir": "ltr"}
        ),
    )

    def clean_code(self) -> Receipt:
        """Return the receipt, checked for its form only."""
        receipt = read_receipt(self.cleaned_data["code"])
        if receipt is None:
            raise ValidationError(
                gettext_lazy("This is not a receipt. A receipt is a number followed by sixteen letters and digits.")
            )
        return receipt
