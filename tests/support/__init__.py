"""Helpers and fixtures of the tests; the fixtures are plugins that tests/conftest.py names."""
