"""Middleware: 503 while the database cannot be reached; and the work of two others, done with less for each request."""

import logging
from collections.abc import Callable

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_vary_headers

from polls import queries
from polls.monitoring import metrics

logger = logging.getLogger("polls")

RETRY_AFTER = 5  # seconds


class DatabaseUnavailable:
    """Answer 503 with Retry-After where a request got no connection, or lost it.

    The one place that decides this, for the pages and the admin alike.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, (*queries.UNAVAILABLE, OperationalError, InterfaceError)):
            return None
        metrics.count_refusal(exception)
        # The pattern, not the path: the path of an invitation holds its token.
        place = request.resolver_match.route if request.resolver_match else "?"
        logger.error("503 for %s /%s: %s", request.method, place, exception)
        response = render(request, "503.html", {"sent": request.method == "POST"}, status=503)
        response["Retry-After"] = str(RETRY_AFTER)
        return response


class ContentSecurityPolicy(CSPMiddleware):
    """django-csp's middleware, but it makes the policy of most pages once, and offers no nonce: no page uses one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        self.policy = build_policy()

    def process_request(self, request: HttpRequest) -> None:
        """Leave out the nonce."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Send the policy; where a view changed it, or Django shows an error with DEBUG, as django-csp does."""
        if settings.DEBUG or any(name.startswith("_csp") for name in vars(response)):
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self.policy)
        return response


class Locale(LocaleMiddleware):
    """Django's middleware for languages, without what it does for addresses that name one."""

    def process_request(self, request: HttpRequest) -> None:
        """Choose the language: that of the cookie, or else of the browser."""
        request.LANGUAGE_CODE = translation.get_language_from_request(request)
        translation.activate(request.LANGUAGE_CODE)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Say which it is, and that another browser may be shown another."""
        patch_vary_headers(response, ("Accept-Language",))
        response.headers.setdefault("Content-Language", request.LANGUAGE_CODE)
        return response
