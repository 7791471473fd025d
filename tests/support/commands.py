"""Management commands and other code of the site, run in new processes."""

import os
import subprocess
import sys

from tests.support.paths import BASE_DIR


def run_manage(*arguments: str, **environment: str) -> str:
    """Run a management command, and return its output; `environment` is added to ours."""
    command = [sys.executable, "manage.py", *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(command, cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def try_manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a management command that may fail; `environment` is added to ours."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def run_python(code, *, unset=(), **environment):
    """Run code with Django set up; `environment` is added to ours without the variables `unset`."""
    env = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{code}"],
        cwd=BASE_DIR,
        env={**env, "DJANGO_SETTINGS_MODULE": "pollsite.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
