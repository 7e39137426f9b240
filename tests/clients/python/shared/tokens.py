"""What an attacker without the signing key can make of a token."""

import base64
import json


def with_altered_signature(token):
    signed, signature = token.rsplit(".", 1)
    first = "B" if signature.startswith("A") else "A"
    return f"{signed}.{first}{signature[1:]}"


def with_altered_claims(token):
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["exp"] += 86_400
    prolonged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{prolonged}.{signature}"
