"""Tests of settings, the database engine and the embedded server."""
