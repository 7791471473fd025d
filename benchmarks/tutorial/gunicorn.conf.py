"""The options of pollsite/gunicorn.conf.py that matter for what a request costs."""

import os

wsgi_app = "mysite.wsgi"
bind = [f"127.0.0.1:{os.environ['PORT']}"]
worker_class = "gthread"
workers = 2
threads = 8
max_requests = 20_000
max_requests_jitter = 5_000
graceful_timeout = 10
loglevel = "warning"
control_socket_disable = True
