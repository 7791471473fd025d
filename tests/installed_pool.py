"""A plugin of pytest for scripts/test-pool-package: tests of `polls.pool` get the pool that is installed instead.

Nothing else of the site is there: neither the rest of `polls` nor Django.
"""

import importlib
import pkgutil
import sys
from types import ModuleType

import psycopg2_bounded_pool as installed
import pytest


def install() -> None:
    """Give the package and its modules the names under `polls.pool` by which tests import and patch them."""
    site = ModuleType("polls")
    site.__path__ = []  # a package in which nothing else is found
    site.pool = installed
    sys.modules.update({"polls": site, "polls.pool": installed})
    for module in pkgutil.iter_modules(installed.__path__):
        sys.modules[f"polls.pool.{module.name}"] = importlib.import_module(f"{installed.__name__}.{module.name}")


install()
pytest.register_assert_rewrite("tests.support")
pytest_plugins = ("tests.support.pool",)


def pytest_report_header() -> str:
    return f"pool: {installed.__file__}"
