"""The forms to sign up and to sign in."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.forms import AuthenticationForm, UserCreationForm
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    Base = UserCreationForm[User]
else:  # at run time the class takes no type parameters
    Base = UserCreationForm


class SignUpForm(Base):
    """Django's form, with shorter help texts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        username, password = self.fields["username"], self.fields["password1"]
        username.help_text = _("Without spaces: for example anna.weber")
        # Django's message does not mention spaces, the most common mistake.
        wrong = UnicodeUsernameValidator(message=_("Letters, digits and @ . + - _ only, and no spaces."))
        others = [each for each in username.validators if not isinstance(each, UnicodeUsernameValidator)]
        username.validators = [*others, wrong]
        self.fields["password2"].help_text = _("The same once more.")
        password.help_text = _("At least 8 characters, not digits alone, and no password that many people use.")


class SignInForm(AuthenticationForm):
    """Django's form, with a message that names the usual mistake."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("Username or password is wrong. Mind capital letters."),
    }
