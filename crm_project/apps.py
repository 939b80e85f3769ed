from django.apps import AppConfig


class CrmProjectConfig(AppConfig):
    """Holds what belongs to the project as a whole: the `serve` command and the administrator's set-up."""

    name = "crm_project"
