"""Links that open a lead's chat, made from the template of a source."""

import re
from urllib.parse import quote

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

PLACEHOLDER = "{external_id}"

# The placeholder comes after the host, so that no lead chooses where a link leads.
_BEFORE_AND_AFTER = r"[A-Za-z0-9._~:/?#@!$&()*+,;=%\-]*"
_TEMPLATE = re.compile(
    rf"^(https|tg)://[A-Za-z0-9.\-]+(:[0-9]+)?[/?#]{_BEFORE_AND_AFTER}\{{external_id\}}{_BEFORE_AND_AFTER}\Z"
)

validate_link_template = RegexValidator(
    _TEMPLATE,
    _(
        "Type an address such as https://t.me/{external_id} or tg://resolve?domain={external_id}: "
        "https or tg only, with {external_id} once, after the host."
    ),
)


def chat_link(template: str, external_id: str) -> str | None:
    """Return the address of the chat with the lead; None without a template, or with one that is not valid.

    What the database holds is looked at again: a row that was written past the forms makes no link that runs a script.
    """
    if _TEMPLATE.search(template) is None:
        return None
    return template.replace(PLACEHOLDER, quote(external_id, safe=""))
