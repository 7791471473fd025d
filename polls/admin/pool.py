"""The page of the pool: what `pool_status` prints, and a chart of the last minutes.

It needs no connection of the pool, so it works while there is none to be had; who asks is looked up by the ORM.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from polls import processes, status, tables
from polls.models import Pool
from polls.processes import SAMPLE_SECONDS, Sample
from polls.publishing import SAMPLES

if TYPE_CHECKING:
    PoolAdminBase = admin.ModelAdmin[Pool]
else:  # at run time this class takes no parameters
    PoolAdminBase = admin.ModelAdmin

WIDTH, HEIGHT = 600, 120  # of the chart, in its own units


class Chart(NamedTuple):
    """Polygons over the last minutes, as SVG takes points."""

    in_use: str
    waiting: str
    top: int  # what the upper edge stands for
    limit: float | None  # where maxconn is, from the upper edge
    maxconn: int
    most_in_use: int
    most_waiting: int
    minutes: int


@admin.register(Pool)
class PoolAdmin(PoolAdminBase):
    """A page instead of a list; to see it takes the permission "Can view connection pool"."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Pool | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Pool | None = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        return super().get_urls()[:1]  # there is nothing to add, to change or to delete

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        report = status.report()
        context = {
            **self.admin_site.each_context(request),
            "title": "Connection pool",
            "opts": self.opts,
            "report": report,
            "tables": [
                ("Processes", tables.process_rows(report)),
                ("Connections", tables.connection_rows(report)),
                ("Other sessions on this database", tables.other_rows(report)),
            ],
            "budget": tables.budget_line(report),
            "server_error": tables.one_line(report.server.error),
            "chart": chart(
                processes.history(report.processes, report.now_s, SAMPLES),
                sum(process["stats"]["pool_max"] for process in report.processes),
            ),
        }
        return TemplateResponse(request, "admin/polls/pool/page.html", context)


def chart(samples: Sequence[Sample], maxconn: int) -> Chart:
    """Lay out how many connections were in use, and on top of them how many callers waited."""
    in_use = [sample["in_use"] for sample in samples]
    both = [sample["in_use"] + sample["waiting"] for sample in samples]
    top = max(*both, maxconn, 1)

    def height(count: int) -> float:
        return round(HEIGHT - HEIGHT * count / top, 1)

    def points(counts: Sequence[int]) -> list[str]:
        step = WIDTH / (len(counts) - 1)
        return [f"{round(number * step, 1)},{height(count)}" for number, count in enumerate(counts)]

    floor = [f"{WIDTH},{HEIGHT}", f"0,{HEIGHT}"]
    return Chart(
        in_use=" ".join([*points(in_use), *floor]),
        waiting=" ".join([*points(both), *reversed(points(in_use))]),
        top=top,
        limit=height(maxconn) if maxconn else None,
        maxconn=maxconn,
        most_in_use=max(in_use),
        most_waiting=max(sample["waiting"] for sample in samples),
        minutes=len(samples) * SAMPLE_SECONDS // 60,
    )
