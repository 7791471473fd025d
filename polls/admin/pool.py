"""The page of the pool: what `pool_status` prints, and a chart of the last minutes.

It uses no connection of the pool, and therefore works while the pool is exhausted. The ORM looks up the user.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from polls.models import Pool
from polls.monitoring import processes, tables
from polls.monitoring.chart import make_chart
from polls.monitoring.publisher import SAMPLES
from polls.monitoring.report import build_report

if TYPE_CHECKING:
    PoolAdminBase = admin.ModelAdmin[Pool]
else:  # at run time the class takes no type parameters
    PoolAdminBase = admin.ModelAdmin


@admin.register(Pool)
class PoolAdmin(PoolAdminBase):
    """A page instead of a list, for users with the permission "Can view connection pool"."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Pool | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Pool | None = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        return super().get_urls()[:1]  # no pages to add, change or delete

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        report = build_report()
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
            "chart": make_chart(
                processes.history(report.processes, report.now_s, SAMPLES),
                sum(process["stats"]["pool_max"] for process in report.processes),
            ),
        }
        return TemplateResponse(request, "admin/polls/pool/page.html", context)
