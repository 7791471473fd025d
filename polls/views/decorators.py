"""Decorators: for pages that no one may cache, that need an account, or that need the right to manage a poll."""

from collections.abc import Callable
from functools import update_wrapper, wraps
from typing import Concatenate, ParamSpec, TypeVar

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from polls import queries
from polls.views.viewers import actor_of

Parameters = ParamSpec("Parameters")
Response = TypeVar("Response", bound=HttpResponseBase)

NO_CACHING = "max-age=0, no-cache, no-store, must-revalidate, private"


def uncached(view: Callable[Parameters, Response]) -> Callable[Parameters, Response]:
    """Let no browser and no proxy keep the answer, as Django's never_cache does at ten times the cost."""

    @wraps(view)
    def respond(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Response:
        response = view(*args, **kwargs)
        response.headers.setdefault("Cache-Control", NO_CACHING)
        return response

    return respond


def for_users(
    view: Callable[Concatenate[HttpRequest, queries.Actor, Parameters], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Redirect anonymous visitors to sign in, and pass the user to the view as an actor. A form sent before is lost."""

    @uncached
    @wraps(view)
    def with_actor(request: HttpRequest, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponse:
        user = request.user
        if not user.is_authenticated:
            is_page = request.method in ("GET", "HEAD")
            return redirect_to_login(request.get_full_path() if is_page else reverse("polls:my_polls"))
        return view(request, actor_of(user), *args, **kwargs)

    return with_actor


def for_poll_managers(
    view: Callable[Concatenate[HttpRequest, queries.Actor, str, Parameters], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Like for_users, for the pages that manage a poll. Each statement of the data layer checks the actor's right, and
    answers as if the poll did not exist where there is none."""

    def managed(
        request: HttpRequest,
        actor: queries.Actor,
        /,
        slug: str,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> HttpResponse:
        try:
            return view(request, actor, slug, *args, **kwargs)
        except queries.PollNotFound:
            raise Http404 from None

    update_wrapper(managed, view)
    return for_users(managed)
