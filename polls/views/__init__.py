"""The pages. A view checks its input, queries the data layer on one connection, and renders after returning it."""
