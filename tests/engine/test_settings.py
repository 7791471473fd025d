"""Settings: .env.example and README name all of them, with their defaults; and the secret key."""

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
        "s.TIME_ZONE, s.POLLS_POOL], sort_keys=True, default=str))"
    )
    unset = dict.fromkeys(example(), None)
    assert run_python(show, **example()).stdout == run_python(show, unset=unset).stdout != ""


def test_secret_key_is_made_once_for_its_owner_only(tmp_path):
    from pollsite.keys import read_or_create_secret_key

    path = tmp_path / "var" / "secret_key"
    key = read_or_create_secret_key(path)
    assert len(key) >= 50
    assert read_or_create_secret_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret_key"]


def test_secret_key_that_cannot_be_kept_is_one_line(tmp_path):
    (tmp_path / "var").write_text("a file where the folder should be")
    code = f"""
from pathlib import Path
from pollsite.keys import read_or_create_secret_key
from django.core.exceptions import ImproperlyConfigured
try:
    read_or_create_secret_key(Path({str(tmp_path / "var" / "secret_key")!r}))
except ImproperlyConfigured as error:
    print(error)
"""
    said = run_python(code).stdout
    assert said.startswith("Set SECRET_KEY: a generated key cannot be stored in")
    assert said.count("\n") == 1
