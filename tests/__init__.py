"""The tests, by part of the project.

pool        the connection pool, on a private server
database    promises, queries and draws in SQL, with plain SQL and through the data layer
pages       the pages over HTTP: voting, results, managing, inviting, drawing; exports, languages, limits, attacks
browser     the pages in a real browser
monitoring  health, metrics, the published states of pools, pool_status, the page of the pool in the admin
engine      settings, checks, DATABASE_URL, the database engine, the embedded server, PgBouncer
commands    management commands and scripts
support     helpers and fixtures of all of them
"""
