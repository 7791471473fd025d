"""How gunicorn serves the site: `gunicorn -c pollsite/gunicorn.conf.py`, or scripts/server, which prepares it first."""

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
threads = int(os.environ.get("WEB_THREADS") or 8)  # POOL_MAXCONN of a process: no thread waits for a connection
os.environ |= {"WEB_CONCURRENCY": str(workers), "WEB_THREADS": str(threads)}  # settings hold the pool's size against it
max_requests = 20_000
max_requests_jitter = 5_000
graceful_timeout = 10
loglevel = "warning"
control_socket_disable = True  # a second gunicorn of the same user would take the socket over


# A child begins with the arbiter's handlers, and what reaches those there is lost. So the signals that end a worker
# wait until it has its own, and has booted.
ENDING = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
os.register_at_fork(after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING))


def pre_fork(server: Arbiter, worker: Worker) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Leave the terminal's signals to the arbiter: a worker that gets both Ctrl-C and its word dies of the second."""
    os.setpgid(0, 0)


def when_ready(server: Arbiter) -> None:
    """On a terminal, end with it: there SIGHUP says that it is gone, and not to reload."""
    if sys.stdin is not None and sys.stdin.isatty():
        signal.signal(signal.SIGHUP, lambda number, frame: server.signal(signal.SIGTERM, frame))


def post_worker_init(worker: Worker) -> None:
    """Say where the site is, once it has loaded."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    if worker.age > 1:
        return
    url = f"http://localhost:{port}/" if host in ("0.0.0.0", "::") else f"http://{address}/"
    print(f"The polls:  {url}\nThe admin:  {url}admin/")
    if host not in LOCAL and set(os.environ.get("ALLOWED_HOSTS", "").split(",")) <= {*LOCAL, "[::1]", ""}:
        print("Only requests for localhost are answered; for others: ALLOWED_HOSTS=name,address scripts/server")
    print("Ctrl-C ends it.", flush=True)
