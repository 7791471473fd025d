"""Dropping test databases."""

from django.db.backends.postgresql import creation


class DatabaseCreation(creation.DatabaseCreation):
    """Drops a test database even if the pool, which Django does not track, still has connections to it."""

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        with self._nodb_cursor() as cursor:  # type: ignore[attr-defined]
            quoted_name = self.connection.ops.quote_name(test_database_name)
            cursor.execute(f"DROP DATABASE {quoted_name} WITH (FORCE)")
