"""Health checks and metrics, for machines."""

import time
from ipaddress import ip_address, ip_network
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from polls import queries
from polls.database import connect, pool
from polls.monitoring import processes
from polls.monitoring.metrics import render_metrics
from polls.views.decorators import uncached

CHECKOUT_SECONDS = 1.0


@uncached
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: a thread answers. It sends no query, for restarting this process would not help the database."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@uncached
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Ready: a connection becomes free within a second, and new ones can be made as well."""
    try:
        with pool().connection(timeout=CHECKOUT_SECONDS, autocommit=True):
            pass
    except queries.UNAVAILABLE:
        failure = pool().last_failure if pool().connecting_fails else None
        return _not_ready(failure and time.monotonic() - failure.at_s)
    if pool().connecting_fails:
        # An idle connection works, and the last attempt to make another failed. The pool tries again only when it needs
        # one, so this request does.
        try:
            connect("ready", connect_timeout=1).close()
        except queries.UNAVAILABLE:
            return _not_ready(0.0)
    return JsonResponse({"ready": True})


def _not_ready(failed_seconds_ago: float | None) -> HttpResponse:
    """Answer 503, with no more than the public may know: the messages of the pool name files and hosts."""
    if failed_seconds_ago is None:
        reason, age = f"no connection became free within {CHECKOUT_SECONDS:g} s", None
    else:
        reason, age = "new connections to the database fail", round(failed_seconds_ago, 1)
    answer = {"ready": False, "reason": reason, "connect_failed_seconds_ago": age}
    return JsonResponse(answer, status=503)


@uncached
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Send the metrics of all processes of this host to METRICS_ALLOWED, and 404 to others."""
    if not _is_allowed(request):
        raise Http404
    text, content_type = render_metrics(
        processes.read(Path(settings.POOL_STATE_DIR)), request.headers.get("Accept", "")
    )
    return HttpResponse(text, content_type=content_type)


def _is_allowed(request: HttpRequest) -> bool:
    if request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded"):
        return False  # came through a proxy, whose address says nothing about the client
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False  # a Unix socket
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in ip_network(network) for network in settings.METRICS_ALLOWED)
