"""The throw-away keys of an installation under test: a caller's, an admin's, and the gateway's own at its retriever."""

import hashlib
import json

CALLER = "e2e-caller-5f0c9a61d2b84e37"
ADMIN = "e2e-admin-27be40f9c6d15a83"
GATEWAY = "e2e-gateway-83d1c07be95f4a26"


def key_file() -> str:
    """What `auth.keys_file` holds (JSON is YAML)."""
    admin, gateway = {**_entry("admin", ADMIN), "admin": True}, {**_entry("gateway", GATEWAY), "peer": True}
    return json.dumps({"keys": [_entry("caller", CALLER), admin, gateway]})


def _entry(name: str, key: str) -> dict[str, object]:
    return {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "tenant": "default"}
