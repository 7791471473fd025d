"""The site, served by gunicorn from the test database, and a client that keeps cookies and sends forms."""

import contextlib
import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from django.db import connection

from tests.support.paths import BASE_DIR
from tests.support.ports import free_port


def database_url(**overrides: object) -> str:
    """The address of the test database."""
    settings = {**connection.settings_dict, **overrides}
    place = f"host={settings['HOST']}&port={settings['PORT']}" if str(settings["HOST"]).startswith("/") else ""
    server = "" if place else f"{settings['HOST']}:{settings['PORT']}"
    password = f":{settings['PASSWORD']}" if settings["PASSWORD"] else ""
    return f"postgres://{settings['USER']}{password}@{server}/{settings['NAME']}?{place}"


@contextlib.contextmanager
def serve(**environment: str) -> Iterator[str]:
    """Serve with gunicorn on a free port and yield its host:port; `environment` is added to ours."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config", "pollsite/gunicorn.conf.py"],
        cwd=BASE_DIR,
        env={**os.environ, "DATABASE_URL": database_url(), "HOST": "127.0.0.1", "PORT": str(port), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        # gunicorn prints its address as soon as it listens.
        assert any("Ctrl-C" in line for line in process.stdout), f"gunicorn ended with {process.wait()}"
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


class Browser:
    """A client that keeps cookies, as a browser does, and sends forms with the token of the page."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.cookies: dict[str, str] = {}
        self.token = ""

    def request(self, method, path, fields=()):
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=30)) as server:
            server.request(method, path, body=urlencode(list(fields)), headers=headers)
            response = server.getresponse()
            body = response.read().decode()
        for cookie in response.headers.get_all("Set-Cookie", ()):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(cookie).items()}
        if match := re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', body):
            self.token = match[1]
        return response.status, response.headers, body

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, choices):
        fields = [("csrfmiddlewaretoken", self.token), *(("choices", choice) for choice in choices)]
        return self.request("POST", path, fields)
