"""What every test needs: the plugins with the fixtures, the test database, and nothing of the test before."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.utils import translation

from polls import limits

# Helpers assert as well, and their failures are to show the values.
pytest.register_assert_rewrite("tests.support")

pytest_plugins = (
    "tests.support.browser",
    "tests.support.database",
    "tests.support.draws",
    "tests.support.embedded",
    "tests.support.engine",
    "tests.support.invitations",
    "tests.support.monitoring",
    "tests.support.owners",
    "tests.support.pool",
    "tests.support.stages",
    "tests.support.voters",
)


@pytest.fixture(autouse=True)
def forget_what_was_before() -> None:
    """All tests come from one address; and a page leaves its language behind in the thread that made it."""
    limits.forget()
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The test database, and the end of the pool before its end."""
    yield
    apps.get_app_config("polls").pool.close()
