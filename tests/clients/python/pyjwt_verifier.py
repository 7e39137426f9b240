"""PyJWT: an API that verifies with PyJWKClient. The scope is the caller's business."""

import jwt
import requests

from shared.client_test import MISSING_SCOPE, ClientTest, environment
from shared.tokens import with_altered_claims, with_altered_signature


def request_token():
    form = {
        "grant_type": "client_credentials",
        "client_id": environment("CLIENT_ID"),
        "client_secret": environment("CLIENT_SECRET"),
        "audience": environment("AUDIENCE"),
        "scope": environment("SCOPE"),
    }
    response = requests.post(f"{environment('BASE_URL')}/oauth/token", data=form, timeout=10)
    assert response.status_code == 200, f"HTTP {response.status_code} {response.text}"
    return response.json()["access_token"]


def verify(keys, token, audience, scope):
    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["RS256"],
        audience=audience,
        issuer=environment("ROOT_ISSUER"),
    )
    if scope not in claims["scope"].split():
        raise PermissionError("insufficient scope")
    return claims


with ClientTest("PyJWT") as test:
    audience, scope = environment("AUDIENCE"), environment("SCOPE")
    keys = jwt.PyJWKClient(f"{environment('BASE_URL')}/.well-known/jwks.json")

    with test.step("token"):
        token = request_token()
    with test.step("valid token"):
        claims = verify(keys, token, audience, scope)
        assert claims["client_id"] == environment("CLIENT_ID")
    with test.refused("altered signature", jwt.InvalidSignatureError):
        verify(keys, with_altered_signature(token), audience, scope)
    with test.refused("altered claims", jwt.InvalidSignatureError):
        verify(keys, with_altered_claims(token), audience, scope)
    with test.refused("wrong audience", jwt.InvalidAudienceError):
        verify(keys, token, environment("OKTA_AUDIENCE"), scope)
    with test.refused("missing scope", PermissionError):
        verify(keys, token, audience, MISSING_SCOPE)
