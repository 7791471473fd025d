"""Django's settings, read from the environment and from the file .env next to manage.py.

.env.example describes every variable. Importing this module opens no connection and starts
no server.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import environ

from pollsite.keys import find_keys
from pollsite.postgres.url import database_settings

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY_FALLBACKS = [key.strip() for key in env.list("SECRET_KEY_FALLBACKS", default=[]) if key.strip()]
# VOTER_KEY_BORROWED: SECRET_KEY, or the oldest of its fallbacks, serves as VOTER_KEY. polls.checks warns of it.
SECRET_KEY, VOTER_KEY, VOTER_KEY_BORROWED = find_keys(
    BASE_DIR / "var",
    secret=env.str("SECRET_KEY", default=""),
    fallbacks=SECRET_KEY_FALLBACKS,
    voter=env.str("VOTER_KEY", default=""),
)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# Behind TLS: secure cookies and redirects to https. Off by default, because a first run is on localhost.
HTTPS = env.bool("HTTPS", default=False)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]  # requested directly, not through the proxy
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "pollsite.postgres",
    "polls",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "polls.middleware.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "polls.middleware.Locale",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "polls.middleware.DatabaseUnavailable",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "pollsite.urls"
WSGI_APPLICATION = "pollsite.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "polls.views.shared_pages.page_address",
            ],
        },
    },
]

# Without DATABASE_URL: the embedded PostgreSQL, which the first connection starts.
DATABASES = {
    "default": database_settings(
        env.str("DATABASE_URL", default=""),
        owner_url=env.str("DATABASE_OWNER_URL", default=""),
        embedded_folder=Path(env.str("EMBEDDED_POSTGRES_DIR", default="") or BASE_DIR / "var" / "postgres"),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Arguments of polls.pool.ConnectionPool; those left out keep their defaults.
POLLS_POOL: dict[str, Any] = {
    "minconn": env.int("POOL_MINCONN", default=1),
    "maxconn": env.int("POOL_MAXCONN", default=8),
    "timeout": env.float("POOL_TIMEOUT", default=5.0),
}

# Limits for each client address, per minute and process; 0 means no limit.
LIMITS_PER_MINUTE = {
    "votes": env.int("VOTES_PER_MINUTE", default=1000),
    "guesses": env.int("INVITE_GUESSES_PER_MINUTE", default=30),
    "sign_ups": env.int("SIGN_UPS_PER_MINUTE", default=30),
}
# The header in which the site's proxy sends the client's address. Empty: there is no proxy to trust with one.
CLIENT_ADDRESS_HEADER = env.str("CLIENT_ADDRESS_HEADER", default="")

# The folder in which each process publishes the state of its pool, for pool_status, /metrics and the admin.
POOL_STATE_DIR = env.str("POOL_STATE_DIR", default="") or str(BASE_DIR / "var" / "pools")
# Addresses and networks that may request /metrics, and never through a proxy.
METRICS_ALLOWED = env.list("METRICS_ALLOWED", default=[])
# Processes and threads of gunicorn.conf.py: each thread may need a connection of the pool and one of the ORM.
WEB_CONCURRENCY = env.int("WEB_CONCURRENCY", default=2)
WEB_THREADS = env.int("WEB_THREADS", default=8)

# By default Django reports the errors of a production site by mail only.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Ten wrong passwords for one user name from one address lock that pair out for a quarter of an hour.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "polls.views.accounts.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "429.html"
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# All content comes from this site, and pages have no inline scripts or styles.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# Whether visitors may create accounts, to vote and to create polls.
SIGN_UP = env.bool("SIGN_UP", default=True)
LOGIN_URL = "polls:sign_in"
LOGIN_REDIRECT_URL = "polls:my_polls"
LOGOUT_REDIRECT_URL = "polls:front_page"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("es", "Español"), ("fr", "Français"), ("ar", "العربية")]
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SECURE = HTTPS
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "pollsite.static_files.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 600  # of files under plain names; those with a hash in their name are kept for ten years
