"""The engine as an app, for its command."""

from django.apps import AppConfig


class PostgresConfig(AppConfig):
    name = "pollsite.postgres"
    label = "pollsite_postgres"  # "postgres" is that of django.contrib.postgres
