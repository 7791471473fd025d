"""Signing up and signing in."""

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.views import LoginView
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from polls import rate_limits
from polls.forms.accounts import SignInForm, SignUpForm
from polls.views.decorators import uncached
from polls.views.responses import too_many_requests


def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Show Django's page, which offers to create an account where that is allowed."""
    view = LoginView.as_view(
        authentication_form=SignInForm, redirect_authenticated_user=True, extra_context={"sign_up": settings.SIGN_UP}
    )
    return view(request)


@sensitive_post_parameters("password1", "password2")
@uncached
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Create an account, sign in with it, and go on to the page that required it."""
    if not settings.SIGN_UP:
        raise Http404
    # Thousands of accounts would make polls for accounts worthless.
    if request.method == "POST" and (seconds := rate_limits.count("sign_ups", request.META)):
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
            # The name was taken between the check of the form and now.
            form.add_error("username", _("A user with that username already exists."))
        else:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return redirect(target or settings.LOGIN_REDIRECT_URL)
    return render(request, "accounts/sign_up.html", {"form": form, "next": target})


def client_address(request: HttpRequest) -> str:
    """Return the address by which django-axes counts attempts to sign in."""
    return rate_limits.address_of(request.META)
