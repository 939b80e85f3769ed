"""How the rules say no; `crm_project.api.errors` puts it into the words of HTTP."""

from http import HTTPStatus

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Refusal(Exception):
    """What was asked for cannot be granted as things stand.

    Subclasses give `code` (stable, English), `message` (a sentence that says what to do next), the HTTP `status`,
    for something wrong in the body (status 400) the `field`, and for what passes `wait`: after how many seconds to
    repeat it.
    """

    code = "refused"
    message: str | Promise = _("This cannot be done now.")
    status = HTTPStatus.CONFLICT
    field: str | None = None
    wait: int | None = None

    def __init__(self, message: str | Promise | None = None, *, field: str | None = None) -> None:
        self.message = message or self.message
        self.field = field or self.field
        super().__init__(self.message)

    def __str__(self) -> str:
        return str(self.message)
