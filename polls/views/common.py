"""What the views share: the pool, and who is asking."""

from django.apps import apps
from django.http import HttpRequest

from polls import queries, voters
from polls.pool import ConnectionPool


def pool() -> ConnectionPool:
    """Return the pool of this process."""
    connection_pool: ConnectionPool = apps.get_app_config("polls").pool  # type: ignore[attr-defined]
    return connection_pool


def browser_id(request: HttpRequest) -> str | None:
    """Return the id in the voting cookie, None where there is none or somebody else signed it."""
    value: str | None = request.get_signed_cookie(
        voters.COOKIE, default=None, salt=voters.COOKIE_SALT, max_age=voters.COOKIE_SECONDS
    )
    return value


def texts_of(
    options: list[queries.OptionRow] | list[queries.OptionResult], choices: list[int] | None
) -> list[str] | None:
    if choices is None:
        return None
    texts = {option.id: option.text for option in options}
    return [texts[choice] for choice in choices]
