"""Tests of the connection pool, on a private server."""
