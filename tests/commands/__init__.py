"""Tests of management commands and scripts."""
