"""The message about an event, and the headers that prove whom it is from.

Standard Webhooks 1.0: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook

from crm_project.webhooks.models import EventKind

PREFIX = "whsec_"
BYTES_OF_A_SECRET = 32


def new_secret() -> str:
    """Return a secret nobody can guess."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES_OF_A_SECRET)).decode()


def message_id(event_id: int) -> str:
    """Return the id of the message about an event, the same however often it is sent."""
    return f"evt_{event_id}"


def body_of(event: Any) -> str:
    """Return the message about the event, which was read with its contact, source and operators."""
    return json.dumps(told(event), ensure_ascii=False)


def told(event: Any) -> dict[str, Any]:
    """Return what others are told of the event, which was read with its contact, source and operators."""
    data = {**_of_contact(event), **_of_operator(event)}
    return {"type": event.kind, "timestamp": event.at.isoformat().replace("+00:00", "Z"), "data": data}


def headers(event_id: int, body: str, signing: Sequence[str], at: datetime) -> dict[str, str]:
    """Return the headers of a message, signed with each of the secrets."""
    name = message_id(event_id)
    return {
        "Content-Type": "application/json",
        "User-Agent": "contact-distribution-webhooks",
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(name, at, body) for secret in signing),
    }


def _of_contact(event: Any) -> dict[str, Any]:
    if event.contact is None:
        return {}
    return {
        "contact_id": event.contact_id,
        "sequence": event.sequence,
        "status": _status(event),
        "external_id": event.contact.external_id,
        "lead_id": event.contact.lead_id,
        "source_id": event.source_id,
        "source_code": event.source.code,
        "previous_operator_id": event.previous_operator_id,
    }


def _of_operator(event: Any) -> dict[str, Any]:
    operator = event.operator
    return {
        "operator_id": event.operator_id,
        "operator_name": operator and operator.name,
        "operator_external_id": operator and operator.external_id,
    }


def _status(event: Any) -> str:
    """Return the status of the contact that the event made."""
    if event.kind == EventKind.CLOSED:
        return "closed"
    return "waiting" if event.operator_id is None else "active"
