"""Settings: .env.example and README name all of them, with their defaults."""

import re

from tests.support.commands import run_python
from tests.support.paths import BASE_DIR

SOURCES = (BASE_DIR / "pollsite" / "settings.py", BASE_DIR / "pollsite" / "gunicorn.conf.py")


def variables_read():
    code = "".join(path.read_text() for path in SOURCES)
    return set(re.findall(r'(?:env(?:\.\w+)?|environ\.get)\(\s*"([A-Z_]+)"', code))


def example():
    lines = (BASE_DIR / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_example_names_every_variable_and_no_other():
    assert set(example()) == variables_read()


def test_readme_names_every_variable():
    readme = (BASE_DIR / "README.md").read_text()
    assert {name for name in variables_read() if f"`{name}`" not in readme} == set()


def test_example_holds_the_defaults():
    show = (
        "import json; from django.conf import settings as s\n"
        "print(json.dumps([str(s.DATABASES), s.ALLOWED_HOSTS, s.CSRF_TRUSTED_ORIGINS, s.SECURE_SSL_REDIRECT, s.DEBUG, "
        "s.TIME_ZONE, s.POLLS_POOL, s.SECRET_KEY, s.SECRET_KEY_FALLBACKS, s.VOTER_KEY], sort_keys=True, default=str))"
    )
    unset = dict.fromkeys(example(), None)
    assert run_python(show, **example()).stdout == run_python(show, unset=unset).stdout != ""
