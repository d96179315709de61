"""TokenService: access tokens of OAuth 2.0."""

from __future__ import annotations

from loyalty.v1 import token_service_pb2 as pb
from loyalty_service.domain.access_tokens import LIFETIME_S, is_token
from loyalty_service.domain.errors import ApiKeyInvalidError
from loyalty_service.domain.es_errors import GrantTypeUnsupportedError
from loyalty_service.domain.keys import key_digest
from loyalty_service.transport.authentication import bare_key
from loyalty_service.transport.call import Call

CLIENT_CREDENTIALS = "client_credentials"


class TokenServicer:
    """Serves loyalty.v1.TokenService."""

    async def IssueToken(  # noqa: N802 - the contract's name.
        self, request: pb.IssueTokenRequest, call: Call
    ) -> bytes:
        """See the contract."""
        secret = bare_key(call.metadata)
        # Envoy tells who an HTTP caller says that it is, in whichever way it says so.
        client_id = call.metadata.get("loyalty-client")
        if client_id is None and request.HasField("client_id"):
            client_id = request.client_id
        if is_token(secret) or (client_id is not None and client_id != call.key.key_id):
            raise ApiKeyInvalidError
        if request.grant_type != CLIENT_CREDENTIALS:
            raise GrantTypeUnsupportedError
        return pb.IssueTokenResponse(
            access_token=call.storage.tokens.issue(call.key, key_digest(secret), call.now_ms),
            token_type="Bearer",  # noqa: S106 - a word of OAuth.
            expires_in=LIFETIME_S,
        ).SerializeToString()
