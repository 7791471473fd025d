"""Creating and dropping test databases, as the owner of the tables; tests then run as the site's role."""

from typing import Any

from django.db.backends.postgresql import creation


class DatabaseCreation(creation.DatabaseCreation):
    """Drops a test database even if the pool, which Django does not track, still has connections to it."""

    def create_test_db(self, *args: Any, **kwargs: Any) -> str:
        with self.connection.as_owner():  # type: ignore[attr-defined] # our DatabaseWrapper
            return super().create_test_db(*args, **kwargs)

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        quoted_name = self.connection.ops.quote_name(test_database_name)
        with self.connection.as_owner(), self._nodb_cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(f"DROP DATABASE {quoted_name} WITH (FORCE)")
