"""For machines: is the process alive, can it serve, what does it do."""

import time
from ipaddress import ip_address, ip_network
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from polls import metrics, processes, queries
from polls.views.common import connector, pool

CHECKOUT_SECONDS = 1.0


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: a thread answers. The database is not asked, for a restart of this process would not mend it."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Ready: a connection can be had within a second, and new ones can be made as well."""
    try:
        with pool().connection(timeout=CHECKOUT_SECONDS, autocommit=True):
            pass
        if connector().failing:
            # An idle connection answers, and the next one could not be made. Somebody has to try whether that still
            # holds: the pool does so only when it needs one.
            connector()(connect_timeout=1).close()
    except queries.UNAVAILABLE:
        return _not_ready()
    return JsonResponse({"ready": True})


def _not_ready() -> HttpResponse:
    """Say no more than everybody may know: the pool's own words name files and hosts."""
    connecting = connector()
    if connecting.failing and connecting.last_error_s is not None:
        reason = "new connections to the database fail"
        age: float | None = round(time.monotonic() - connecting.last_error_s, 1)
    else:
        reason, age = f"no connection became free within {CHECKOUT_SECONDS:g} s", None
    answer = {"ready": False, "reason": reason, "connect_failed_seconds_ago": age}
    return JsonResponse(answer, status=503)


@never_cache
@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """The metrics of all processes of this host, for METRICS_ALLOWED; for others there is nothing here."""
    if not _is_allowed(request):
        raise Http404
    text, content_type = metrics.render(
        processes.read(Path(settings.POOL_STATE_DIR)), request.headers.get("Accept", "")
    )
    return HttpResponse(text, content_type=content_type)


def _is_allowed(request: HttpRequest) -> bool:
    if request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded"):
        return False  # came through a proxy, whose address says nothing about who asks
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False  # a Unix socket
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in ip_network(network) for network in settings.METRICS_ALLOWED)
