"""Django's settings. What differs between installations comes from environment variables (README, «Settings»)."""

from pathlib import Path

from django.utils.translation import gettext_lazy as _
from environs import validate

from crm_project.api.introduction import DESCRIPTION, TAGS, TITLE
from crm_project.environment import LOOPBACK_HOSTS, database, env, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent

# What an installation chooses

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = secret_key(BASE_DIR / ".secret_key")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", LOOPBACK_HOSTS)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
OPEN_API = env.bool("OPEN_API", False)
LOCK_TIMEOUT_SECONDS = env.int("LOCK_TIMEOUT_SECONDS", 10, validate=validate.Range(1, 60))
DATABASES = {"default": database(f"sqlite:///{BASE_DIR / 'crm.db'}", LOCK_TIMEOUT_SECONDS)}
LANGUAGES = [("en", _("English")), ("ru", _("Russian"))]
LANGUAGE_CODE = env.str("DEFAULT_LANGUAGE", "en", validate=validate.OneOf([code for code, _name in LANGUAGES]))
TIME_ZONE = env.str("TIME_ZONE", "UTC")

# What the product is made of

INSTALLED_APPS = [
    "crm_project",
    "crm_project.access",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
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
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "crm_project.access.acting.remember_actor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
USE_TZ = True
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "locale" / "theme"]
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True

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
        "rest_framework.authentication.BasicAuthentication",
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
        "Obstacle": "leads.reports.OBSTACLES",
        "ObstacleOfNext": "leads.reports.OBSTACLES_OF_NEXT",
    },
    "PREPROCESSING_HOOKS": ["crm_project.api.schema.without_trailing_slash"],
}

# The back office

UNFOLD = {
    "SITE_TITLE": _("Contact distribution"),
    "SITE_HEADER": _("Distribution"),
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,
    "SHOW_LANGUAGES": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"navigation": "crm_project.admin.navigation.sidebar"},
    "SITE_VIEWS": [
        ("my-contacts/", "my_contacts", "crm_project.admin.my_contacts.MyContacts"),
        ("my-contacts/live/", "my_contacts_live", "crm_project.admin.my_contacts.MyContactsLive"),
        ("my-contacts/pause/", "my_contacts_pause", "crm_project.admin.my_contacts.Pause"),
        ("my-contacts/<int:contact_id>/close/", "my_contacts_close", "crm_project.admin.my_contacts.Close"),
    ],
}
