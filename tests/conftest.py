"""What every test needs: the plugins with the fixtures, the test database, and a clean start."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.utils import translation

from polls import rate_limits

# Helpers assert too: their failures show the values as those of tests do.
pytest.register_assert_rewrite("tests.support")

pytest_plugins = (
    "tests.support.browser",
    "tests.support.checkpoints",
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
    """Forget the requests counted by address, and the language that the last page left in this thread."""
    rate_limits.reset()
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The test database; the pool is closed before it is dropped."""
    yield
    apps.get_app_config("polls").pool.close()


@pytest.fixture(autouse=True)
def no_checkpoints_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note no vote for the thread that takes checkpoints: it would write at any moment, into any test."""
    monkeypatch.setattr(apps.get_app_config("polls").checkpoint_taker, "note", lambda slug: None)
