"""Who may see the pages of those who run polls."""

from collections.abc import Callable
from functools import update_wrapper, wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache

from polls import queries

Parameters = ParamSpec("Parameters")


def for_users(
    view: Callable[Concatenate[HttpRequest, queries.Manager, Parameters], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Ask who it is to sign in, and tell the view. What was sent before is not taken along."""

    @never_cache
    @wraps(view)
    def asked(request: HttpRequest, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponse:
        user = request.user
        if not user.is_authenticated:
            is_page = request.method in ("GET", "HEAD")
            return redirect_to_login(request.get_full_path() if is_page else reverse("my-polls"))
        return view(request, queries.Manager(user.pk, user.is_staff, user.get_username()), *args, **kwargs)

    return asked


def for_managers(
    view: Callable[Concatenate[HttpRequest, queries.Manager, str, Parameters], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Like for_users, for the pages of one poll. Whether somebody may manage it is for the data layer to say, in each
    of its statements; whoever may not learns nothing of it."""

    def managed(
        request: HttpRequest,
        manager: queries.Manager,
        /,
        slug: str,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> HttpResponse:
        try:
            return view(request, manager, slug, *args, **kwargs)
        except queries.PollNotFound:
            raise Http404 from None

    update_wrapper(managed, view)
    return for_users(managed)
