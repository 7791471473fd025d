"""migrate as the owner of the tables, which grants the site's role what the site needs."""

from contextlib import closing
from typing import Any, cast

from django.core.management.commands import migrate
from django.db import connections

from pollsite.postgres import privileges
from pollsite.postgres.base import DatabaseWrapper


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        database = cast(DatabaseWrapper, connections[options["database"]])
        writes = not (options["plan"] or options["check_unapplied"])
        # Before anything is migrated: a role that cannot connect is an error that has changed nothing.
        role = _site_role(database) if writes and database.has_owner() else None
        with database.as_owner():
            super().handle(*args, **options)
        if role is not None:
            with closing(database.connect_psycopg2(owner=True)) as owner:
                privileges.renew(owner, role)


def _site_role(database: DatabaseWrapper) -> str | None:
    """Return the role as which the site connects, also through a pooler; None where it is the owner."""
    names = []
    for owner in (False, True):
        with closing(database.connect_psycopg2(owner=owner)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT session_user")
            [(name,)] = cursor.fetchall()
            names.append(name)
    site, owner_name = names
    return site if site != owner_name else None
