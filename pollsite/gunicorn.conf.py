"""gunicorn's configuration, for `gunicorn -c pollsite/gunicorn.conf.py`; scripts/server prepares the site first."""

import os
import signal
import sys

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

host = (os.environ.get("HOST") or "127.0.0.1").strip("[]")
port = os.environ.get("PORT") or "8000"
address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
LOCAL = ("localhost", "127.0.0.1", "::1")

wsgi_app = "pollsite.wsgi"
bind = [address]
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = int(os.environ.get("WEB_THREADS") or 8)  # as many as POOL_MAXCONN: no thread waits for a connection
os.environ |= {"WEB_CONCURRENCY": str(workers), "WEB_THREADS": str(threads)}  # settings and checks read them
max_requests = 20_000
max_requests_jitter = 5_000
graceful_timeout = 10
loglevel = "warning"
control_socket_disable = True  # a second gunicorn of the same user would take over the socket


# A new worker still has the arbiter's signal handlers, and a signal that they receive there is lost. So the signals
# that end a worker stay blocked until it has installed its own handlers and loaded the site.
ENDING = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
os.register_at_fork(after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING))


def pre_fork(server: Arbiter, worker: Worker) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Leave Ctrl-C to the arbiter: a worker that received it as well as the arbiter's signal would end at once."""
    os.setpgid(0, 0)


def when_ready(server: Arbiter) -> None:
    """On a terminal, stop on SIGHUP: there it means that the terminal has closed, not that gunicorn should reload."""
    if sys.stdin is not None and sys.stdin.isatty():
        signal.signal(signal.SIGHUP, lambda number, frame: server.signal(signal.SIGTERM, frame))


def post_worker_init(worker: Worker) -> None:
    """Print the site's addresses once the first worker has loaded it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    if worker.age > 1:
        return
    url = f"http://localhost:{port}/" if host in ("0.0.0.0", "::") else f"http://{address}/"
    print(f"The polls:  {url}\nThe admin:  {url}admin/")
    if host not in LOCAL and set(os.environ.get("ALLOWED_HOSTS", "").split(",")) <= {*LOCAL, "[::1]", ""}:
        print("Only requests for localhost are answered; for others: ALLOWED_HOSTS=name,address scripts/server")
    print("Ctrl-C ends it.", flush=True)
