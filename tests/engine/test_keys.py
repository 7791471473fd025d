"""The keys of the site: from settings or files, which are made once; and what an upgrade and a change do to them."""

import hashlib
import hmac
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from pollsite.keys import find_keys, read_or_create_secret_key
from tests.support.commands import run_python
from tests.support.paths import BASE_DIR

KEY_SETTINGS = ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "VOTER_KEY")


@pytest.fixture
def var(tmp_path):
    (tmp_path / "var").mkdir()
    return tmp_path / "var"


def files(var):
    return {path.name: path.read_text() for path in var.iterdir()}


def test_generated_keys_are_made_once_for_their_owner_only(tmp_path):
    var = tmp_path / "var"
    keys = find_keys(var)
    assert find_keys(var) == keys
    assert files(var) == {"secret_key": keys.secret, "voter_key": keys.voter}
    assert {path.stat().st_mode & 0o777 for path in var.iterdir()} == {0o600}
    assert min(len(keys.secret), len(keys.voter)) >= 50
    assert keys.secret != keys.voter
    assert not keys.borrowed
    assert not set(keys.voter) & set("$#'\" \\")  # .env and shells leave it as it is


def test_upgrade_keeps_the_generated_key_for_voters_and_lets_the_other_go(var):
    (var / "secret_key").write_text("the key of before\n")  # with every character: votes stand under it
    assert find_keys(var) == ("the key of before\n", "the key of before\n", False)
    (var / "secret_key").unlink()
    secret, voter, _ = find_keys(var)
    assert voter == "the key of before\n"
    assert secret != voter


def test_key_of_the_settings_hides_voters_where_there_is_no_other(var):
    assert find_keys(var, secret="new") == ("new", "new", True)
    assert find_keys(var, secret="new", fallbacks=["old", "oldest"]) == ("new", "oldest", True)
    assert files(var) == {}


def test_file_is_kept_when_the_site_moves_its_secret_key_to_the_settings(var):
    voter = find_keys(var).voter
    assert find_keys(var, secret="new") == ("new", voter, False)


def test_oldest_fallback_is_kept_when_the_generated_key_was_replaced_before_the_upgrade(var):
    (var / "secret_key").write_text("new")
    assert find_keys(var, fallbacks=["old", "oldest"]) == ("new", "oldest", False)
    assert files(var)["voter_key"] == "oldest"


def test_own_setting_comes_first_and_blank_ones_count_for_nothing(var):
    (var / "voter_key").write_text("kept")
    assert find_keys(var, secret="s", fallbacks=["f"], voter=" v ") == ("s", " v ", False)
    assert find_keys(var, secret="s", voter="  ") == ("s", "kept", False)
    secret, voter, _ = find_keys(var, secret=" ", voter="")
    assert (files(var)["secret_key"], voter) == (secret, "kept")


@pytest.mark.parametrize("name", ["secret_key", "voter_key"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty. Restore it from a backup"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "cannot be read (it is no text)"),
    ],
)
def test_file_that_holds_no_key_is_one_line_and_no_new_key(var, name, content, said):
    (var / name).write_bytes(content)
    with pytest.raises(ImproperlyConfigured) as refusal:
        find_keys(var)
    assert said in str(refusal.value)
    assert str(refusal.value).startswith(f"{name.upper()}: ")
    assert "\n" not in str(refusal.value)
    assert [path.read_bytes() for path in var.iterdir()] == [content]


def test_file_that_cannot_be_read_is_one_line(var):
    (var / "voter_key").mkdir()
    with pytest.raises(
        ImproperlyConfigured, match=r"VOTER_KEY: the key in .*voter_key cannot be read \(Is a directory\)"
    ):
        find_keys(var, secret="s")
    assert find_keys(var, secret="s", voter="v") == ("s", "v", False)


def test_key_that_cannot_be_kept_is_one_line(tmp_path):
    (tmp_path / "var").write_text("a file where the folder should be")
    with pytest.raises(ImproperlyConfigured, match=r"^Set VOTER_KEY: a generated key cannot be stored in [^\n]*$"):
        find_keys(tmp_path / "var")
    with pytest.raises(ImproperlyConfigured, match=r"^Set SECRET_KEY: a generated key cannot be stored in [^\n]*$"):
        read_or_create_secret_key(tmp_path / "var" / "secret_key")


@pytest.mark.parametrize("before", [None, "the key of before"])
def test_processes_that_start_together_agree(var, before):
    if before:
        (var / "secret_key").write_text(before)
    code = f"import pathlib; from pollsite.keys import find_keys; print(*find_keys(pathlib.Path({str(var)!r})))"
    started = [
        subprocess.Popen([sys.executable, "-c", code], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    said = {process.communicate(timeout=60)[0] for process in started}
    assert len(said) == 1
    assert set(files(var)) == {"secret_key", "voter_key"}
    if before:
        assert said == {f"{before} {before} False\n"}


def test_list_of_fallbacks_is_separated_by_commas():
    show = "from django.conf import settings; print(settings.SECRET_KEY_FALLBACKS)"
    assert run_python(show, SECRET_KEY_FALLBACKS="new, old,, ").stdout == "['new', 'old']\n"
    assert run_python(show, SECRET_KEY_FALLBACKS="").stdout == "[]\n"


@pytest.fixture
def checkout(tmp_path):
    """A copy of the project, whose var/ is its own, and a function that runs manage.py there."""
    for name in ("pollsite", "polls", "manage.py"):
        (shutil.copytree if (BASE_DIR / name).is_dir() else shutil.copy)(BASE_DIR / name, tmp_path / name)
    environment = {name: value for name, value in os.environ.items() if name not in KEY_SETTINGS}

    def manage(*arguments, **settings):
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=tmp_path,
            env={**environment, **settings},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return tmp_path, manage


def test_site_of_before_starts_with_its_own_key_and_then_without_the_old_one(checkout: tuple[Path, object]):
    folder, manage = checkout
    show = ("shell", "-v", "0", "-c", "from polls.voters import hidden_key; print(hidden_key('a-poll', 'user:1'))")
    (folder / "var").mkdir()
    (folder / "var" / "secret_key").write_text("k" * 50)
    before = manage(*show)
    assert before.returncode == 0, before.stderr
    key_of_poll = hashlib.sha256(b"polls.voter/a-poll" + b"k" * 50).digest()  # the formula of all releases
    assert before.stdout.strip() == hmac.digest(key_of_poll, b"user:1", "sha256").hex()
    (folder / "var" / "secret_key").unlink()
    assert manage(*show).stdout == before.stdout
    assert manage(*show, SECRET_KEY="s" * 50).stdout == before.stdout
    assert manage(*show, VOTER_KEY="v" * 50).stdout != before.stdout
    (folder / "var" / "voter_key").write_text("")
    broken = manage("check")
    assert broken.returncode == 1
    assert broken.stderr.splitlines()[-1].endswith(
        "voter_key is empty. Restore it from a backup, or set VOTER_KEY to the key."
    )


def test_checks_of_a_production_site_say_when_the_secret_key_serves_twice(checkout):
    _, manage = checkout
    deploy = ("check", "--deploy")
    said = manage(*deploy, SECRET_KEY="s" * 50).stderr
    assert "polls.W007" in said
    assert "Set VOTER_KEY to what SECRET_KEY is now" in said
    said = manage(*deploy, SECRET_KEY="s" * 50, SECRET_KEY_FALLBACKS="b,a").stderr
    assert "Set VOTER_KEY to what the last of SECRET_KEY_FALLBACKS is now" in said
    assert "polls.W007" not in manage(*deploy, SECRET_KEY="s" * 50, VOTER_KEY="s" * 50).stderr
    assert "polls.W007" not in manage(*deploy).stderr  # both are generated
