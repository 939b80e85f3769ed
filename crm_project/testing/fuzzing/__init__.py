"""The whole API against its OpenAPI document, by schemathesis, as each kind of caller."""
