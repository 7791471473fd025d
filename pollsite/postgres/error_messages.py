"""What to say, in one line, when the site cannot begin because of its settings or its database."""

from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError
from psycopg2 import OperationalError as Psycopg2OperationalError

from pollsite.embedded.programs import EmbeddedServerError

EXPECTED = (ImproperlyConfigured, EmbeddedServerError, OperationalError, Psycopg2OperationalError)

# What PostgreSQL or libpq says, and what helps; the first that fits.
ADVICE = {
    "password authentication failed": "Mend the user or the password in DATABASE_URL.",
    "no password supplied": "Put the password into DATABASE_URL, as in postgres://user:password@host/name.",
    "does not exist": "Create it, or mend DATABASE_URL.",
    "could not translate host name": "Mend the host in DATABASE_URL.",
    "no pg_hba.conf entry": "Let this host in on the server, or mend DATABASE_URL.",
    "too many clients": "Raise max_connections on the server, or lower POOL_MAXCONN.",
    "remaining connection slots": "Raise max_connections on the server, or lower POOL_MAXCONN.",
    "connection to server": "Start that server, or mend DATABASE_URL.",
}


def one_line_message(error: BaseException) -> str:
    """Return one line that says what is wrong and what to do; `error` is one of EXPECTED."""
    # A host with several addresses, and several hosts, have a line each.
    lines = dict.fromkeys(line.strip() for line in str(error).splitlines())
    text = "; ".join(line for line in lines if line and not line.startswith("Is the server running"))
    cause = error.__cause__.__cause__ if error.__cause__ else None
    if isinstance(error, (ImproperlyConfigured, EmbeddedServerError)) or isinstance(cause, EmbeddedServerError):
        return text
    advice = next((advice for said, advice in ADVICE.items() if said in text), "")
    return f"The database cannot be used: {text}. {advice}".strip()
