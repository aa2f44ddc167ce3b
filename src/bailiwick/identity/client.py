"""Identity where another process carries it: its answers, and whose access tokens count."""

from bailiwick.identity.contract import AccessTokens, Identity
from bailiwick.identity.infrastructure.revocations import Revocations
from bailiwick.identity.infrastructure.tokens import TokenVerifier
from bailiwick.kernel.http.authentication import Authentication
from bailiwick.kernel.http.remotes import Remote, asking
from bailiwick.kernel.module import Module, Platform


def client(platform: Platform, remote: Remote) -> Module:
    """Needs nothing of identity's settings: issuer and public keys come with what was revoked.

    Starts without identity too: until it answers, whoever sends a token is told that we are unavailable.
    """
    access, verifier = asking(AccessTokens, "identity", remote), TokenVerifier()
    authentication = Authentication(verifier.verify)
    revocations = Revocations(access, verifier, authentication)
    return Module(
        "identity",
        routers=(),
        provides=(),
        contracts={Identity: asking(Identity, "identity", remote), AccessTokens: access},
        authentication=authentication,
        before=(revocations.try_to_read,),
        background=(revocations.watch,),
    )
