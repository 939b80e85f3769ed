"""What `make run` says when the server answers."""

import json
import shlex

from django.utils.translation import gettext as _

from crm_project.setup.address import Address
from crm_project.setup.administrator import LOGIN


def greeting(address: Address, needs_login: bool, source_code: str) -> str:
    """Return where to look with a browser, and a call to paste that registers a contact from `source_code`."""
    lines = [_("Back office: %(url)s/admin/") % {"url": address.url}]
    lines += [_("From the network: %(url)s/admin/") % {"url": url} for url in address.network_urls]
    lines += [_("API: %(url)s/docs") % {"url": address.url}]
    lines += [_("Register a contact (the API asks for a log-in):") if needs_login else _("Register a contact:")]
    lines += [f"  {call(next(iter(address.network_urls), address.url), needs_login, source_code)}"]
    return "\n".join([*lines, _("Ctrl-C stops the server.")])


def call(url: str, needs_login: bool, source_code: str) -> str:
    """Return the curl line."""
    login = f"-u {LOGIN} " if needs_login else ""
    body = shlex.quote(json.dumps({"external_id": "user_123", "source_code": source_code}, ensure_ascii=False))
    return f'curl {login}-X POST "{url}/api/contacts" -H "Content-Type: application/json" -d {body}'
