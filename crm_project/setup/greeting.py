"""What `make run` says when the server answers."""

import json
import shlex

from django.utils.translation import gettext as _

from crm_project.setup.address import Address
from crm_project.setup.administrator import LOGIN

FIRST_SOURCE = {"name": "Telegram бот", "code": "bot_telegram"}


def greeting(address: Address, needs_login: bool, source_code: str | None) -> str:
    """Return where to look with a browser, and a call to paste that registers a contact from `source_code`.

    Without a source there is a call before it that makes one.
    """
    lines = [_("Back office: %(url)s/admin/") % {"url": address.url}]
    lines += [_("From the network: %(url)s/admin/") % {"url": url} for url in address.network_urls]
    lines += [_("API: %(url)s/docs") % {"url": address.url}]
    lines += [_("Register a contact (the API asks for a log-in):") if needs_login else _("Register a contact:")]
    api = f"{next(iter(address.network_urls), address.url)}/api"
    if source_code is None:
        source_code = FIRST_SOURCE["code"]
        lines += [f"  {call(f'{api}/sources', needs_login, FIRST_SOURCE)}"]
    lines += [f"  {call(f'{api}/contacts', needs_login, {'external_id': 'user_123', 'source_code': source_code})}"]
    return "\n".join([*lines, _("Ctrl-C stops the server.")])


def call(url: str, needs_login: bool, fields: dict[str, str]) -> str:
    """Return the curl line that posts the fields."""
    login = f"-u {LOGIN} " if needs_login else ""
    body = shlex.quote(json.dumps(fields, ensure_ascii=False))
    return f'curl {login}-X POST "{url}" -H "Content-Type: application/json" -d {body}'
