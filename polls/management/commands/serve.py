"""Prepare the site (tables, sample polls, an administrator, static files), then serve it with gunicorn."""

import fcntl
import gc
import secrets
import sys
from typing import cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import BaseCommand, call_command
from django.db import connections
from gunicorn.app import wsgiapp

from polls.models import Poll
from pollsite.static_files import StaticFilesStorage


class Command(BaseCommand):
    help = (
        "Migrate; where there are none yet, seed sample polls and create an administrator, whose password is printed "
        "this once; collect static files; serve as pollsite/gunicorn.conf.py says. Example: PORT=8001 manage.py serve"
    )

    def handle(self, *args: object, **options: object) -> None:
        with (settings.BASE_DIR / "var" / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two runs of Django's migrate at once fail
            call_command("migrate", interactive=False, verbosity=0)
            if not Poll.objects.exists():
                call_command("seed_polls", verbosity=0)
            self.create_administrator()
            if not cast(StaticFilesStorage, staticfiles_storage).is_collected():
                call_command("collectstatic", interactive=False, verbosity=0)
        # The workers are forked from this process, which keeps its hold on the embedded server, and so can stop it even
        # when a stuck worker had to be killed.
        connections.close_all()
        self.stdout.flush()
        gc.freeze()  # keeps the pages loaded by now shared between the workers
        sys.argv = ["gunicorn", "--config", str(settings.BASE_DIR / "pollsite" / "gunicorn.conf.py")]
        wsgiapp.run()

    def create_administrator(self) -> None:
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        password = secrets.token_urlsafe(12)
        users.create_superuser("admin", password=password)
        self.stdout.write(
            f"Administrator: admin, password {password}, shown only now (another: manage.py changepassword admin)"
        )
