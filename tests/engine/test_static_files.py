"""Static files: named by their content once they are collected, and never out of date."""

import gzip
import os
import re
import time

import brotli
import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.files.storage import storages
from django.core.management import call_command
from django.test import Client
from whitenoise.storage import CompressedManifestStaticFilesStorage

SHEET = b"body { color: green }\n" * 40


@pytest.fixture
def source(settings, tmp_path):
    """A stylesheet of a site that has none but those of its apps and this one, and has collected nothing."""
    settings.STATICFILES_DIRS = [tmp_path / "source"]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.STATIC_ROOT.mkdir()
    finders.get_finder.cache_clear()
    source = tmp_path / "source" / "sheet.css"
    source.parent.mkdir()
    source.write_bytes(SHEET)
    yield source
    finders.get_finder.cache_clear()


def collect():
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=["admin"])
    read_manifest()


def read_manifest():
    """Read it as a process does that starts now."""
    storages["staticfiles"].__init__()


def fetch(url, encoding="identity"):
    response = Client().get(url, headers={"Accept-Encoding": encoding})
    assert response.status_code == 200
    return response, b"".join(response.streaming_content)


def test_plain_names_work_before_files_are_collected(source):
    assert not staticfiles_storage.is_collected()
    assert staticfiles_storage.url("sheet.css") == "/static/sheet.css"
    response, body = fetch("/static/sheet.css")
    assert body == SHEET
    assert response["Cache-Control"] == "max-age=600, public"


@pytest.mark.parametrize(
    ("encoding", "decode"), [("identity", bytes), ("gzip", gzip.decompress), ("gzip, br", brotli.decompress)]
)
def test_collected_files_are_named_by_their_content_kept_and_compressed(source, encoding, decode):
    collect()
    assert staticfiles_storage.is_collected()
    url = staticfiles_storage.url("sheet.css")
    assert re.fullmatch(r"/static/sheet\.[0-9a-f]{12}\.css", url)
    response, body = fetch(url, encoding)
    assert decode(body) == SHEET
    assert response.get("Content-Encoding", "identity") == encoding.rpartition(" ")[2]
    kept = re.fullmatch(r"max-age=(\d+), public, immutable", response["Cache-Control"])
    assert int(kept[1]) >= 365 * 24 * 3600


def test_file_that_has_changed_since_is_served_as_it_is_now(source):
    collect()
    old = staticfiles_storage.url("sheet.css")
    source.write_bytes(b"body { color: red }")
    later = time.time() + 2
    os.utime(source, (later, later))
    read_manifest()
    assert not staticfiles_storage.is_collected()
    url = staticfiles_storage.url("sheet.css")
    assert (url, fetch(url)[1]) == ("/static/sheet.css", b"body { color: red }")
    assert fetch(old)[1] == SHEET  # for pages from before
    os.utime(source, (later - 2, later - 2))
    collect()
    assert old != staticfiles_storage.url("sheet.css") != "/static/sheet.css"


def test_file_that_is_not_in_the_manifest_has_its_plain_name(source):
    collect()
    assert staticfiles_storage.url("nowhere.css") == "/static/nowhere.css"
    with pytest.raises(ValueError, match="nowhere"):  # what whitenoise's own storage does
        CompressedManifestStaticFilesStorage().stored_name("nowhere.css")


def test_pages_name_the_files_that_are_there(source, client, transactional_db):
    for prepare in (lambda: None, collect):
        prepare()
        page = Client().get("/").content.decode()
        urls = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
        assert len(urls) == 2
        for url in urls:
            fetch(url)
