"""The rows that the OpenAPI document shows as examples."""

from typing import Any

from distribution.errors import SourceNotFound

MOMENT = "2026-11-23T09:15:00.123456Z"
LATER = "2026-11-23T09:40:12.654321Z"

NEW_SOURCE = {"name": "Telegram бот", "code": "bot_telegram"}
SOURCE = {
    "id": 1,
    **NEW_SOURCE,
    "is_active": True,
    "reuse_open_contact": False,
    "strategy": "weighted_random",
    "prefer_same_operator": False,
    "identified_by": "external_id",
    "link_template": "",
}

WEIGHTS = {"operator_weights": [{"operator_id": 1, "weight": 10}, {"operator_id": 2, "weight": 30}]}
SHARES = {
    "operator_weights": [
        {"operator_id": 1, "operator_name": "Оператор 1", "operator_external_id": None, "weight": 10, "share": 0.25},
        {"operator_id": 2, "operator_name": "Оператор 2", "operator_external_id": None, "weight": 30, "share": 0.75},
    ]
}
PREVIEW = {
    "strategy": "weighted_random",
    "nobody": None,
    "operators": [
        {
            "operator_id": 1,
            "operator_name": "Оператор 1",
            "operator_external_id": None,
            "weight": 10,
            "load": 10,
            "max_load": 10,
            "probability": 0,
            "reason": "at_limit",
        },
        {
            "operator_id": 2,
            "operator_name": "Оператор 2",
            "operator_external_id": None,
            "weight": 30,
            "load": 4,
            "max_load": 10,
            "probability": 1,
            "reason": None,
        },
    ],
}
FAIRNESS = {
    "start": "2026-10-24T00:00:00Z",
    "end": "2026-11-23T00:00:00Z",
    "verdict": "ordinary_chance",
    "skewed_operator_ids": [],
    "draws": 10_000,
    "refused": 12,
    "without_candidates": 3,
    "unreadable": 0,
    "operators": [
        {
            "operator_id": 1,
            "operator_name": "Оператор 1",
            "operator_external_id": None,
            "expected": 2000,
            "drawn": 2031,
            "difference": 31,
            "band": 108.7,
            "z": 0.8,
            "p_value": 0.43,
            "verdict": "ordinary_chance",
            "alone": 0,
            "missed": [{"reason": "at_limit", "share": 0.2}],
            "by_hand": 7,
            "returned": 0,
        }
    ],
}

INTAKE = {"external_id": "user_123", "source_code": "bot_telegram"}
LEAD = {"id": 1, "external_id": "user_123", "created_at": MOMENT}
CONTACT: dict[str, Any] = {
    "id": 1,
    "external_id": "user_123",
    "lead_id": 1,
    "source_id": 1,
    "source_code": "bot_telegram",
    "operator_id": 2,
    "operator_name": "Оператор 2",
    "operator_external_id": None,
    "status": "active",
    "created_at": MOMENT,
    "assigned_at": MOMENT,
    "closed_at": None,
    "name": "",
    "phone": "",
    "email": "",
    "text": "",
    "data": {},
}
LEAD_DATA = {
    **LEAD,
    "erased_at": None,
    "identities": [{"kind": "external_id", "value": "user_123"}],
    "contacts": [
        {
            **CONTACT,
            "event_ids": ["update_1001"],
            "decisions": [{"at": MOMENT, "trigger": "arrival", "kind": "draw", "operator_id": 2, "reason": ""}],
        }
    ],
}
ERASED_LEAD = {**LEAD, "external_id": "erased:1"}
CLOSED = {**CONTACT, "status": "closed", "closed_at": LATER}
REOPENED = {**CONTACT, "assigned_at": LATER}
REASSIGNED = {**CONTACT, "operator_id": 1, "operator_name": "Оператор 1", "assigned_at": LATER}

DECISIONS: dict[str, Any] = {
    "contact_id": 1,
    "status": "active",
    "queue_position": None,
    "waiting_because": None,
    "decisions": [
        {
            "id": 1,
            "at": MOMENT,
            "trigger": "arrival",
            "kind": "draw",
            "strategy": "weighted_random",
            "operator_id": 2,
            "operator_name": "Оператор 2",
            "actor": "bot",
            "reason": "",
            "passed_queue": None,
            "sentence": "Оператор 2 was drawn: weight 30 of 30 (100%). Оператор 1 was passed over: 10 of 10.",
            "preferred": None,
            "by_hand": None,
            "rounds": [
                {
                    "ticket": 17,
                    "tickets": 30,
                    "drawn": 2,
                    "outcome": "taken",
                    "operator_count": 2,
                    "operators": [
                        {
                            "operator_id": 1,
                            "operator_name": "Оператор 1",
                            "weight": 10,
                            "load": 10,
                            "max_load": 10,
                            "probability": None,
                            "obstacle": "at_limit",
                        },
                        {
                            "operator_id": 2,
                            "operator_name": "Оператор 2",
                            "weight": 30,
                            "load": 3,
                            "max_load": 10,
                            "probability": 1.0,
                            "obstacle": None,
                        },
                    ],
                }
            ],
        }
    ],
}

CHANGES: dict[str, Any] = {
    "changes": [
        {
            "type": "contact.assigned",
            "timestamp": MOMENT,
            "data": {
                "contact_id": 1,
                "sequence": 1,
                "status": "active",
                "external_id": "user_123",
                "lead_id": 1,
                "source_id": 1,
                "source_code": "bot_telegram",
                "operator_id": 2,
                "operator_name": "Оператор 2",
                "operator_external_id": None,
                "previous_operator_id": None,
            },
        }
    ],
    "cursor": "NzcxLjE=",
    "more": False,
}

BULK = {
    "results": [
        {"index": 0, "status": 201, "contact": {**CONTACT, "created": True}},
        {
            "index": 1,
            "status": 400,
            "errors": [{"code": SourceNotFound.code, "detail": str(SourceNotFound.message), "attr": "source_code"}],
        },
    ]
}
