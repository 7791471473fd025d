"""The migration that ends what being staff allowed."""

from importlib import import_module
from types import SimpleNamespace

from django.apps import apps
from django.db import connection

MIGRATION = import_module("polls.migrations.0010_staff_permissions")


def tell():
    MIGRATION.tell_whom_it_concerns(apps, SimpleNamespace(connection=connection))


def test_migration_names_the_staff_who_lose_the_polls_of_others(users, django_user_model, capsys):
    """An upgrade must not lock somebody out without a word."""
    django_user_model.objects.create_user("gone", is_staff=True, is_active=False)
    tell()
    told = capsys.readouterr().err
    assert "These users have no permission for them yet: staff, clerk.\n" in told
    for _codename, label in MIGRATION.Migration.operations[0].options["permissions"]:
        assert f'"{label}"' in told


def test_migration_names_twenty_and_counts_the_others(django_user_model, transactional_db, capsys):
    for number in range(23):
        django_user_model.objects.create_user(f"member {number:02}", is_staff=True)
    tell()
    assert "member 18, member 19 and 3 more.\n" in capsys.readouterr().err


def test_migration_says_nothing_where_it_concerns_nobody(django_user_model, transactional_db, capsys):
    django_user_model.objects.create_user("voter")
    django_user_model.objects.create_user("admin", is_staff=True, is_superuser=True)
    tell()
    assert capsys.readouterr() == ("", "")
