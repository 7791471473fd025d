"""Making an account, and signing in."""

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.views import LoginView
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from polls import limits
from polls.account_forms import SignInForm, SignUpForm
from polls.views.limited import too_many_requests


def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Django's page, which offers to make an account where that is allowed."""
    view = LoginView.as_view(
        authentication_form=SignInForm, redirect_authenticated_user=True, extra_context={"sign_up": settings.SIGN_UP}
    )
    return view(request)


@sensitive_post_parameters("password1", "password2")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make an account, sign in with it, and go on to where it was needed."""
    if not settings.SIGN_UP:
        raise Http404
    # No poll for accounts is worth much to whoever makes them by the thousand.
    if request.method == "POST" and (seconds := limits.count("sign_ups", request.META)):
        return too_many_requests(request, seconds)
    asked = request.POST.get("next") or request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    target = asked if is_ours else ""
    if request.user.is_authenticated:
        return redirect(target or settings.LOGIN_REDIRECT_URL)
    form = SignUpForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            user = form.save()
        except IntegrityError:
            # Somebody took the name between the form's look and now.
            form.add_error("username", _("A user with that username already exists."))
        else:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return redirect(target or settings.LOGIN_REDIRECT_URL)
    return render(request, "accounts/sign_up.html", {"form": form, "next": target})
