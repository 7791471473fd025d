"""The polls app of Django's tutorial, parts 1 to 4, to measure pollsite beside it."""
