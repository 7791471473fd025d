"""One-line messages for a site that cannot start because of its settings or its database."""

from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError
from psycopg2 import OperationalError as Psycopg2OperationalError

from pollsite.embedded.programs import EmbeddedServerError

EXPECTED = (ImproperlyConfigured, EmbeddedServerError, OperationalError, Psycopg2OperationalError)

# Fragments of PostgreSQL's and libpq's messages with the advice for each; the first match wins.
ADVICE = {
    "password authentication failed": "Correct the user or the password in DATABASE_URL.",
    "no password supplied": "Add the password to DATABASE_URL, as in postgres://user:password@host/name.",
    "does not exist": "Create it, or correct DATABASE_URL.",
    "could not translate host name": "Correct the host in DATABASE_URL.",
    "no pg_hba.conf entry": "Allow this host in the server's pg_hba.conf, or correct DATABASE_URL.",
    "too many clients": "Raise max_connections on the server, or lower POOL_MAXCONN.",
    "remaining connection slots": "Raise max_connections on the server, or lower POOL_MAXCONN.",
    "connection to server": "Start that server, or correct DATABASE_URL.",
}


def one_line_message(error: BaseException) -> str:
    """Return one line that says what is wrong and what to do; `error` is one of EXPECTED."""
    # libpq reports each address of each host on a line of its own.
    lines = dict.fromkeys(line.strip() for line in str(error).splitlines())
    text = "; ".join(line for line in lines if line and not line.startswith("Is the server running"))
    cause = error.__cause__.__cause__ if error.__cause__ else None
    if isinstance(error, (ImproperlyConfigured, EmbeddedServerError)) or isinstance(cause, EmbeddedServerError):
        return text
    advice = next((advice for said, advice in ADVICE.items() if said in text), "")
    return f"The database cannot be used: {text}. {advice}".strip()
