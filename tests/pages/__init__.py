"""Tests of the pages, over HTTP and with Django's test client."""
