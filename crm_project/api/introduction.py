"""What the OpenAPI document says of the API as a whole."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

TITLE = _("Contact distribution: the API")

DESCRIPTION: str | Promise = _(
    "A bot registers a contact with one call, and an operator is drawn by weight among those who have room.\n\n"
    "**Who may call.** An API key (`Authorization: Bearer crm_…`) may what its scopes say: `register`, `read`, "
    "`manage`; limited to some sources, it finds nothing of the others. Staff use HTTP Basic or the session of the "
    "back office, and may what their permissions there say.\n\n"
    "**Bodies** are JSON in UTF-8, at most one megabyte. A field that is not known is refused. Times are ISO 8601.\n\n"
    "**Lists** come in pages, **exports** whole, as CSV. A filter that is not known is refused.\n\n"
    "**Errors** have one shape: `type`, and for each error `code` (stable), `detail` (a sentence in your language) and "
    "`attr` (the field, or null).\n\n"
    "**Retries.** Give each POST an `Idempotency-Key` of its own: when the answer is lost, the same call with the same "
    "key is answered as it was at first, and nothing is done twice. Answers are kept for 24 hours.\n\n"
    "**Language.** `Accept-Language: ru` or `en`."
)

TAGS: list[dict[str, Any]] = [
    {"name": "contacts", "description": _("Appeals of leads: registered, given to operators, closed.")},
    {"name": "exports", "description": _("All rows of a kind as CSV, sent while they are read.")},
    {"name": "leads", "description": _("People and companies who wrote.")},
    {"name": "operators", "description": _("Those who take contacts.")},
    {"name": "sources", "description": pgettext_lazy("about sources", "Bots and channels, and the weights there.")},
]
