"""Authlib: OAuth2Session as the client, the RFC 9068 validator as the API."""

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6750 import InsufficientScopeError, InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import KeySet

from shared.client_test import MISSING_SCOPE, ClientTest, environment
from shared.tokens import with_altered_claims, with_altered_signature


class Validator(JWTBearerTokenValidator):
    def get_jwks(self):
        response = requests.get(f"{environment('BASE_URL')}/.well-known/jwks.json", timeout=10)
        return KeySet.import_key_set(response.json())


def request_token():
    session = OAuth2Session(
        environment("CLIENT_ID"),
        environment("CLIENT_SECRET"),
        scope=environment("SCOPE"),
    )
    return session.fetch_token(
        f"{environment('BASE_URL')}/oauth/token",
        grant_type="client_credentials",
        audience=environment("AUDIENCE"),
        timeout=10,
    )


def verify(token, audience, scope):
    validator = Validator(issuer=environment("ROOT_ISSUER"), resource_server=audience)
    claims = validator.authenticate_token(token)
    validator.validate_token(claims, [scope], None)
    return claims


with ClientTest("Authlib", "joserfc") as test:
    audience, scope = environment("AUDIENCE"), environment("SCOPE")

    with test.step("token"):
        response = request_token()
        assert response["token_type"] == "Bearer"
        assert not response.is_expired()
        token = response["access_token"]
    with test.step("valid token"):
        claims = verify(token, audience, scope)
        assert claims["client_id"] == environment("CLIENT_ID")
    with test.refused("altered signature", InvalidTokenError, "bad_signature"):
        verify(with_altered_signature(token), audience, scope)
    with test.refused("altered claims", InvalidTokenError, "bad_signature"):
        verify(with_altered_claims(token), audience, scope)
    with test.refused("wrong audience", InvalidTokenError, "'aud'"):
        verify(token, environment("OKTA_AUDIENCE"), scope)
    with test.refused("missing scope", InsufficientScopeError):
        verify(token, audience, MISSING_SCOPE)
