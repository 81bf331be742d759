"""All settings, and the only place that reads the environment.

docs/reference/settings.md documents the variables one by one. Where people are used to two names
for one thing (`BACKEND_URL` and `CHUTES_BASE_URL`, `PORT` and `HOST_PORT`), both are understood.
"""

from __future__ import annotations

from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from bridge.keys.authentication import is_loopback
from bridge.translation.profiles import PROFILES
from proxysite import __version__, company_sign_in, importing, logs, places, private_files, theme
from proxysite import environment as read

BASE_DIR = Path(__file__).resolve().parent.parent
if (BASE_DIR / ".env").is_file():
    read.env.take_file(BASE_DIR / ".env", BASE_DIR / "docker-compose.yml")

VERSION = __version__

# --- where it runs ----------------------------------------------------------------------------

HOST = places.host("HOST", "127.0.0.1")
SOCKET_MODE = places.mode("SOCKET_MODE", "660")
PORT = read.whole("PORT", read.whole("HOST_PORT", 8080, 1, 65535), 1, 65535)
WORKERS = read.whole("WORKERS", read.whole("UVICORN_WORKERS", 1, least=1), least=1)
SERVER = read.choice("SERVER", "uvicorn" if WORKERS > 1 else "daphne", ("daphne", "uvicorn"))
if WORKERS > 1 and SERVER == "daphne":
    raise ImproperlyConfigured("WORKERS: expected 1 with SERVER=daphne; several need uvicorn")
BASE_PATH = places.base_path("BASE_PATH")
DRAIN_SECONDS = read.seconds("DRAIN_SECONDS", 30)
DRAIN_DELAY_SECONDS = read.seconds("DRAIN_DELAY_SECONDS", 0)
DATA_DIR = read.folder("DATA_DIR", BASE_DIR / "data", 0o700)

# --- the first backend ------------------------------------------------------------------------

BACKEND_URL = read.address("BACKEND_URL") or read.address("CHUTES_BASE_URL")
BACKEND_DIALECT = read.choice("BACKEND_DIALECT", "auto", ("auto", *PROFILES))
CHUTES_API_KEY = read.secret("CHUTES_API_KEY")
CHUTES_AUTH_STYLE = read.choice("CHUTES_AUTH_STYLE", "both", ("header", "env", "both"))
REQUIRE_GATEWAY_KEY = read.choice("REQUIRE_GATEWAY_KEY", "auto", ("auto", "1", "0"))
MODEL_MAP = read.mapping("MODEL_MAP")
TOOL_NAME_MAP = read.nested_mapping("TOOL_NAME_MAP")
AUTO_FIX_MODEL_CASE = read.flag("AUTO_FIX_MODEL_CASE", True)
DISCOVERY_INTERVAL = read.seconds("DISCOVERY_INTERVAL", 60, least=1)
DISCOVERY_MIN_INTERVAL = read.seconds("DISCOVERY_MIN_INTERVAL", 300)


PROTECTED_SECRETS = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "DATABASE_URL",
    "REDIS_URL",
    "METRICS_TOKEN",
    "OTLP_FORWARD_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OIDC_CLIENT_SECRET",
    "EMAIL_URL",
    "BACKEND_PROXY",
)


def _backend_secret(name: str) -> str:
    """A credential that a backend row names as ``env:NAME``; "" when it is not set.

    Also "" for what the gateway itself lives on: an operator could have it sent anywhere.
    """
    return "" if name in PROTECTED_SECRETS else read.secret(name)


BACKEND_SECRET = _backend_secret


# --- the ledger -------------------------------------------------------------------------------

USAGE_RETENTION_DAYS = read.whole("USAGE_RETENTION_DAYS", 90, most=36_500)
BUDGET_UNPRICED_MODELS = read.choice("BUDGET_UNPRICED_MODELS", "allow", ("allow", "refuse"))
BUDGET_UNREADABLE = read.choice("BUDGET_UNREADABLE", "allow", ("allow", "refuse"))
BUDGET_ADVICE = read.text("BUDGET_ADVICE", "Ask the operator of this gateway for more")
SAMPLES_MAX_BYTES = read.whole("SAMPLES_MAX_BYTES", 500 * 1024**2)
SPOOL_MAX_BYTES = read.whole("SPOOL_MAX_BYTES", 1024**3, least=1024**2)

# --- who calls --------------------------------------------------------------------------------

CLIENT_ADDRESSES = read.choice("CLIENT_ADDRESSES", "off", ("off", "hashed", "whole"))

SIGN_IN = read.flag("SIGN_IN", True)
LOGIN_NOTICE = read.plain_text("LOGIN_NOTICE", 500)
SESSION_KEY_SECONDS = read.whole("SESSION_KEY_SECONDS", 3600, least=60, most=86_400)
SIGN_IN_DAYS = read.whole("SIGN_IN_DAYS", 30, least=1, most=3650)

# --- Claude Code ------------------------------------------------------------------------------

MANAGED_SETTINGS = read.flag("MANAGED_SETTINGS", True)
OTLP_FORWARD_URL = read.address("OTLP_FORWARD_URL")
OTLP_FORWARD_SIGNALS = read.some_of(
    "OTLP_FORWARD_SIGNALS", "metrics", ("metrics", "logs", "traces")
)
OTLP_FORWARD_HEADERS = read.header_lines("OTLP_FORWARD_HEADERS")

# --- metrics ----------------------------------------------------------------------------------

METRICS_TOKEN = read.secret("METRICS_TOKEN")
METRICS_ACCESS = read.choice(
    "METRICS_ACCESS", "key" if METRICS_TOKEN else "off", ("off", "local", "key", "open")
)
if METRICS_ACCESS == "key" and not METRICS_TOKEN:
    raise ImproperlyConfigured("METRICS_TOKEN: expected a secret beside METRICS_ACCESS=key")
METRICS_BY = read.some_of("METRICS_BY", "", ("key", "person", "team"))

# --- traces -----------------------------------------------------------------------------------

OTEL_EXPORTER_OTLP_ENDPOINT = read.address("OTEL_EXPORTER_OTLP_ENDPOINT")
OTEL_EXPORTER_OTLP_HEADERS = read.header_lines("OTEL_EXPORTER_OTLP_HEADERS")
OTEL_EXPORTER_OTLP_PROTOCOL = read.choice(
    "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", ("http/protobuf",)
)
OTEL_SERVICE_NAME = read.text("OTEL_SERVICE_NAME", "claude-bridge")
OTEL_TRACES_SAMPLER = read.choice(
    "OTEL_TRACES_SAMPLER",
    "parentbased_always_on",
    (
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ),
)
OTEL_TRACES_SAMPLER_ARG = read.share("OTEL_TRACES_SAMPLER_ARG", 1.0)
TRACE_URL = read.address_of_trace("TRACE_URL")

# --- warnings ---------------------------------------------------------------------------------

EMAIL_URL = read.secret("EMAIL_URL")
_MAIL = read.mail_server("EMAIL_URL", EMAIL_URL)
EMAIL_FROM = DEFAULT_FROM_EMAIL = read.sender("EMAIL_FROM")
if EMAIL_URL and not EMAIL_FROM:
    raise ImproperlyConfigured("EMAIL_FROM: expected the sender's address beside EMAIL_URL")
EMAIL_HOST, EMAIL_PORT = _MAIL.host, _MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.use_tls, _MAIL.use_ssl
EMAIL_TIMEOUT = 10
PUBLIC_URL = places.public_url("PUBLIC_URL", BASE_PATH)

# --- limits and times -------------------------------------------------------------------------

BACKEND_TIMEOUT_SECS = read.seconds("BACKEND_TIMEOUT_SECS", 600, least=1)
BACKEND_PROXY = places.proxy("BACKEND_PROXY")
BACKEND_NO_PROXY = read.names("BACKEND_NO_PROXY")
BACKEND_CONNECT_TIMEOUT = read.seconds("BACKEND_CONNECT_TIMEOUT", 10, least=0.1)
HEADERS_GRACE = read.seconds("HEADERS_GRACE", 30, least=0.1)
FIRST_CHUNK_GRACE = read.seconds("FIRST_CHUNK_GRACE", 10, least=0.1)
PING_INTERVAL = read.seconds("PING_INTERVAL", 15, least=0.1)
IDLE_TIMEOUT = read.seconds("IDLE_TIMEOUT", 300, least=1)
FINISH_GRACE = read.seconds("FINISH_GRACE", 5, least=0.1)
MAX_MESSAGES = read.whole("MAX_MESSAGES", 1000, least=1)
MAX_CONTENT_BYTES = read.whole("MAX_CONTENT_BYTES", 5 * 1024 * 1024, least=1)
MAX_BODY_BYTES = read.whole("MAX_BODY_BYTES", 32 * 1024 * 1024, least=1)
MAX_JSON_DEPTH = read.whole("MAX_JSON_DEPTH", 100, least=10)
MAX_BODY_MEMORY = read.whole("MAX_BODY_MEMORY", 512 * 1024 * 1024, least=1)
COUNT_TOKENS_RPM = read.whole("COUNT_TOKENS_RPM", 600)
MAX_IN_FLIGHT = read.whole("MAX_IN_FLIGHT", 0)
MAX_CONNECTIONS = read.whole("MAX_CONNECTIONS", 0)
MAX_CONNECTIONS_PER_ADDRESS = read.whole("MAX_CONNECTIONS_PER_ADDRESS", 0)
HEADER_TIMEOUT = read.seconds("HEADER_TIMEOUT", 30, least=0.1)
BODY_IDLE_TIMEOUT = read.seconds("BODY_IDLE_TIMEOUT", 30, least=0.1)
WRITE_TIMEOUT = read.seconds("WRITE_TIMEOUT", 120, least=0.1)
BREAKER_FAILURES = read.whole("BREAKER_FAILURES", 5, least=1)
BREAKER_SECONDS = read.seconds("BREAKER_SECONDS", 30, least=1)
RATE_LIMIT_REST_MAX = read.seconds("RATE_LIMIT_REST_MAX", 3600)
PROXY_BACKOFF_ON_429 = read.flag("PROXY_BACKOFF_ON_429", True)
PROXY_MAX_RETRY_ON_429 = read.whole("PROXY_MAX_RETRY_ON_429", 1)
PROXY_MAX_RETRY_AFTER = read.seconds("PROXY_MAX_RETRY_AFTER", 2)

# --- manners of translation -------------------------------------------------------------------

IMAGES_ON_TEXT_MODEL = read.choice("IMAGES_ON_TEXT_MODEL", "placeholder", ("placeholder", "error"))
STRICT_TOOL_PAIRING = read.flag("STRICT_TOOL_PAIRING", False)
HONOUR_THINKING_DISPLAY = read.flag("HONOUR_THINKING_DISPLAY", False)
TEXT_TOOL_CALLS = read.flag("TEXT_TOOL_CALLS", True)
PDF_TEXT_EXTRACTION = read.flag("PDF_TEXT_EXTRACTION", False)
if PDF_TEXT_EXTRACTION and find_spec("pypdf") is None:
    raise ImproperlyConfigured("PDF_TEXT_EXTRACTION: expected pypdf to be installed")
EXACT_TOKEN_COUNTS = read.flag("EXACT_TOKEN_COUNTS", False)
SAFEGUARDS = read.safeguards("SAFEGUARDS", "unavailable")
JUDGE_SECONDS = read.seconds("JUDGE_SECONDS", 15, least=0.1)
SERVER_TOOLS = read.choice("SERVER_TOOLS", "auto", ("auto", "drop", "error"))

# --- logging ----------------------------------------------------------------------------------

LEVELS = ("critical", "error", "warning", "warn", "info", "debug", "trace")
LOG_LEVEL = read.choice("LOG_LEVEL", read.choice("RUST_LOG", "info", LEVELS), LEVELS)
LOG_FORMAT = read.choice("LOG_FORMAT", "console", logs.FORMATS)
DEBUG_PROXY = read.flag("DEBUG_PROXY", False)
_LEVEL = {"warn": "WARNING", "trace": "DEBUG"}.get(LOG_LEVEL, LOG_LEVEL.upper())

_COLOURS = not read.text("NO_COLOR")
LOGGING = logs.configuration(LOG_FORMAT, _LEVEL, debug_proxy=DEBUG_PROXY, colours=_COLOURS)

# --- Django -----------------------------------------------------------------------------------

# Counts of wrong tries, for each address: Django's default would forget all but the last 300.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    }
}
DEBUG = False
FORCE_SCRIPT_NAME = BASE_PATH or None
SECRET_KEY = read.secret("SECRET_KEY") or private_files.secret_from_file(DATA_DIR / "secret_key")
SECRET_KEY_FALLBACKS = read.secret_list("SECRET_KEY_FALLBACKS")
# A name that a web page has pointed at this machine is not among them.
_LOOPBACK = "localhost,.localhost,127.0.0.1,[::1]"
ALLOWED_HOSTS = read.names("ALLOWED_HOSTS", _LOOPBACK if is_loopback(HOST) else "*")
CORS_ORIGINS = read.names("CORS_ORIGINS")
CSRF_TRUSTED_ORIGINS = read.names("CSRF_TRUSTED_ORIGINS")
CSRF_FAILURE_VIEW = "bridge.pages.refusals.csrf_failure"
# Behind a TLS front that sets the headers itself; anybody could set them on an open port.
TRUST_FORWARDED_PROTO = read.flag("TRUST_FORWARDED_PROTO", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_FORWARDED_PROTO else None
TRUSTED_PROXIES = read.networks("TRUSTED_PROXIES")
if TRUSTED_PROXIES and not TRUST_FORWARDED_PROTO:
    raise ImproperlyConfigured("TRUSTED_PROXIES: expected TRUST_FORWARDED_PROTO=1 beside it")
HSTS_SECONDS = SECURE_HSTS_SECONDS = read.whole("HSTS_SECONDS", 0)
if HSTS_SECONDS and not TRUST_FORWARDED_PROTO:
    raise ImproperlyConfigured("HSTS_SECONDS: expected TRUST_FORWARDED_PROTO=1 beside it")
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Lax, so that a link to a page opens it; no page changes anything on GET.
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = BASE_PATH or "/"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = TRUST_FORWARDED_PROTO
SESSION_SECONDS = SESSION_COOKIE_AGE = read.whole("SESSION_SECONDS", 43200, least=60)

LOGIN_FAILURES = AXES_FAILURE_LIMIT = read.whole("LOGIN_FAILURES", 5, least=1)
LOGIN_FAILURES_PER_ADDRESS = read.whole("LOGIN_FAILURES_PER_ADDRESS", 20, least=1)
LOGIN_LOCK_SECONDS = read.whole("LOGIN_LOCK_SECONDS", 900, least=1)
AXES_COOLOFF_TIME = timedelta(seconds=LOGIN_LOCK_SECONDS)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HANDLER = "bridge.accounts.login_throttle.LoginThrottle"
AXES_CLIENT_IP_CALLABLE = "bridge.accounts.login_throttle.client_address"
AXES_LOCKOUT_CALLABLE = "bridge.accounts.login_throttle.locked"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]

importing.leave_out_unused()
INSTALLED_APPS = [
    # first, so that its templates come before those of the theme
    "bridge",
    "dashboard",
    "unfold",
    "django.contrib.admin",
    "django.contrib.humanize",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "channels",
]
MIDDLEWARE = [
    "bridge.pages.csp.content_security_policy",
    "django.middleware.security.SecurityMiddleware",
    "proxysite.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "bridge.pages.acting.visitor_acts",
    "bridge.pages.visitor_zone.in_visitor_zone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "bridge.pages.refusals.wrong_methods",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "proxysite.urls"
ASGI_APPLICATION = "proxysite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {"default": read.database("DATABASE_URL", f"sqlite:///{DATA_DIR}/gateway.sqlite3")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    if not DATABASES["default"]["NAME"].startswith((":memory:", "file:")):
        private_files.keep_private(Path(DATABASES["default"]["NAME"]))
else:
    # A server that does not answer is noticed, also where no packet comes back.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        **DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- company accounts -------------------------------------------------------------------------

OIDC_ISSUER = read.issuer("OIDC_ISSUER")
OIDC_CLIENT_ID = read.text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = read.secret("OIDC_CLIENT_SECRET")
OIDC_NAME = read.text("OIDC_NAME", "your company account")
OIDC_GROUPS_CLAIM = read.text("OIDC_GROUPS_CLAIM", "groups")
OIDC_SCOPES = read.text("OIDC_SCOPES", "profile email")
if OIDC_ISSUER:
    company_sign_in.require(OIDC_CLIENT_ID=OIDC_CLIENT_ID, OIDC_CLIENT_SECRET=OIDC_CLIENT_SECRET)
    INSTALLED_APPS += company_sign_in.APPS
    MIDDLEWARE += company_sign_in.MIDDLEWARE
REMOTE_USER_HEADER = read.header("REMOTE_USER_HEADER")
REMOTE_USER_GROUPS_HEADER = read.header("REMOTE_USER_GROUPS_HEADER")
REMOTE_USER_PROXIES = read.networks("REMOTE_USER_PROXIES")
if REMOTE_USER_HEADER:
    if not REMOTE_USER_PROXIES:
        raise ImproperlyConfigured("REMOTE_USER_PROXIES: expected the front's address or network")
    MIDDLEWARE.insert(
        MIDDLEWARE.index("django.contrib.messages.middleware.MessageMiddleware"),
        "bridge.pages.front_user.front_user",
    )
SOCIALACCOUNT_ADAPTER = "bridge.oidc.adapter.CompanyAdapter"
SOCIALACCOUNT_PROVIDERS = {"oidc": {"OAUTH_PKCE_ENABLED": True}}
ACCOUNT_EMAIL_VERIFICATION = "none"

# --- several processes ------------------------------------------------------------------------

REDIS_URL = read.redis_address("REDIS_URL")
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}
if REDIS_URL:
    from bridge.cluster import redis  # here, because the import is slow

    CHANNEL_LAYERS["default"] = redis.channel_layer(REDIS_URL)
    LOGGING["filters"]["away"] = {"()": "bridge.cluster.redis.WithoutAway"}
    LOGGING["loggers"]["channels_redis.pubsub"] = {"filters": ["away"]}

# --- pages ------------------------------------------------------------------------------------

UNFOLD = theme.with_company_accounts() if OIDC_ISSUER else theme.UNFOLD
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = f"{BASE_PATH}/static/"
STATIC_ROOT = read.folder("STATIC_ROOT", BASE_DIR / "staticfiles")
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

# --- for `manage.py doctor` -------------------------------------------------------------------

VARIABLES_READ = frozenset(read.env.read_names)
VARIABLES_GIVEN = read.env.given_names()
VARIABLES_IN_FILE = read.env.names_in_file
SECRET_FILES = dict(read.env.secret_files)
