"""Django's settings. What differs between installations comes from environment variables (README, «Settings»)."""

from datetime import timedelta
from pathlib import Path

import phonenumbers
from django.templatetags.static import static
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _
from environs import validate

from crm_project.api.introduction import DESCRIPTION, TAGS, TITLE
from crm_project.environment import LOOPBACK_HOSTS, database, env, networks, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent

# What an installation chooses

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = secret_key(BASE_DIR / ".secret_key")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", LOOPBACK_HOSTS)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
HTTPS = env.bool("HTTPS", False)
OPEN_API = env.bool("OPEN_API", False)
WEBHOOK_NETWORKS = networks("WEBHOOK_NETWORKS")
WEBHOOK_TIMEOUT_SECONDS = env.int("WEBHOOK_TIMEOUT_SECONDS", 10, validate=validate.Range(1, 60))
WAITING_TOO_LONG_MINUTES = env.int("WAITING_TOO_LONG_MINUTES", 10, validate=validate.Range(1, 10_080))
LOCK_TIMEOUT_SECONDS = env.int("LOCK_TIMEOUT_SECONDS", 10, validate=validate.Range(1, 60))
DATABASES = {"default": database(f"sqlite:///{BASE_DIR / 'crm.db'}", LOCK_TIMEOUT_SECONDS)}
PIN_SERVER_PROCESSES = env.bool("PIN_SERVER_PROCESSES", None)
LANGUAGES = [("en", _("English")), ("ru", _("Russian"))]
LANGUAGE_CODE = env.str("DEFAULT_LANGUAGE", "en", validate=validate.OneOf([code for code, _name in LANGUAGES]))
TIME_ZONE = env.str("TIME_ZONE", "UTC")
PHONE_REGION = env.str(
    "PHONE_REGION",
    "RU",
    validate=validate.OneOf(phonenumbers.SUPPORTED_REGIONS, error="Must be a country, such as RU or DE."),
)

# What the product is made of

INSTALLED_APPS = [
    "crm_project",
    "crm_project.access",
    "crm_project.webhooks",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "django.contrib.admin.apps.SimpleAdminConfig",  # its pages are loaded with the addresses: commands need none
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "import_export",
    "rest_framework",
    "django_filters",
    "drf_standardized_errors",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "leads",
    "operators",
    "distribution",
]
MIDDLEWARE = [
    "crm_project.health.answer_probes",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "crm_project.middleware.Language",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "crm_project.access.acting.remember_actor",
    "crm_project.time_zone.in_zone_of_browser",
    "crm_project.middleware.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "crm_project.urls"
WSGI_APPLICATION = "crm_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
USE_TZ = True
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "locale" / "theme"]
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True

# Against strangers

# The theme's Alpine.js evaluates what stands in its attributes, and its pages carry styles.
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF, CSP.UNSAFE_EVAL],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_HTTPONLY = True

AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # else who tries on would lock out the user for ever
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "crm_project.access.authentication.address_of"
AXES_LOCKOUT_CALLABLE = "crm_project.error_pages.too_many_attempts"
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "crm_project.logs.DiscreetFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "axes": {"level": "ERROR"},  # its warnings name whoever mistyped a password
        "django": {"level": "INFO"},  # named here so that it loses Django's own handlers, which hide nothing
        "django.request": {"level": "ERROR"},
        "django.server": {"level": "WARNING", "propagate": True},
    },
}

# The API

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["crm_project.api.parsers.StrictJSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "crm_project.access.authentication.KeyAuthentication",
        "crm_project.access.authentication.PasswordAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["crm_project.access.permissions.MayCall"],
    "DEFAULT_FILTER_BACKENDS": ["crm_project.api.filters.StrictFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "crm_project.api.pagination.Pages",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "crm_project.api.negotiation.Negotiation",
    "DEFAULT_SCHEMA_CLASS": "crm_project.access.schema.AutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "URL_FORMAT_OVERRIDE": None,
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "crm_project.api.errors.ExceptionHandler",
    "ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True,
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.1",
    "TITLE": TITLE,
    "DESCRIPTION": DESCRIPTION,
    "TAGS": TAGS,
    "VERSION": "1.0.0",
    "COMPONENT_SPLIT_REQUEST": True,
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,  # they are written for those who read the code, in English only
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api",
    "SERVE_PERMISSIONS": ["crm_project.access.permissions.MayCall"],
    "ENUM_NAME_OVERRIDES": {
        "ContactStatus": "leads.models.ContactStatus",
        "IdentityKind": "leads.models.IdentityKind",
        "DecisionKind": "distribution.models.Kind",
        "Obstacle": "leads.reports.OBSTACLES",
        "ObstacleOfNext": "leads.reports.OBSTACLES_OF_NEXT",
    },
    "PREPROCESSING_HOOKS": ["crm_project.api.schema.without_trailing_slash"],
}

# The back office

DATA_UPLOAD_MAX_NUMBER_FIELDS = 3_000  # the matrix of weights has a field for each cell, and may ask about each
UNFOLD = {
    "SITE_TITLE": _("Contact distribution"),
    "SITE_HEADER": _("Distribution"),
    "SITE_SYMBOL": "hub",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("crm_project/favicon.svg")}
    ],
    "SITE_URL": None,
    "SHOW_LANGUAGES": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "crm_project.admin.start.start_page",
    "SIDEBAR": {"navigation": "crm_project.admin.navigation.sidebar"},
    "STYLES": [lambda _request: static("crm_project/back_office.css")],
    "SCRIPTS": [
        lambda _request: static("crm_project/accessible.js"),
        lambda _request: static("crm_project/live.js"),
        lambda _request: static("crm_project/once.js"),
        lambda _request: static("crm_project/zone.js"),
    ],
    "SITE_VIEWS": [
        ("my-contacts/", "my_contacts", "crm_project.admin.my_contacts.MyContacts"),
        ("my-contacts/live/", "my_contacts_live", "crm_project.admin.my_contacts.MyContactsLive"),
        ("my-contacts/pause/", "my_contacts_pause", "crm_project.admin.my_contacts.Pause"),
        ("my-contacts/<int:contact_id>/close/", "my_contacts_close", "crm_project.admin.my_contacts.Close"),
    ],
}
