"""Monitoring: what each process publishes about its pool, and what operators read of it."""
