"""Tests of what the database keeps and computes, with plain SQL and through the data layer."""
