"""Helpers and fixtures of the tests; tests/conftest.py names the modules with fixtures as plugins."""
