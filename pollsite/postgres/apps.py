"""The database engine as a Django app, so that Django finds its makemigrations."""

from django.apps import AppConfig


class PostgresConfig(AppConfig):
    name = "pollsite.postgres"
    label = "pollsite_postgres"  # "postgres" is the label of django.contrib.postgres
