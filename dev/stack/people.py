"""The people who can sign in on the local stack, and the identity provider that knows them."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from .seed import admin
from .settings import Settings

# Their ids are those of the keys in the env file: Ada is one person, whichever way she comes.
PEOPLE = (
    {
        "sub": "ada",
        "actor": "usr_ada",
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "roles": ["reviewer", "operator"],
        "teams": ["payments"],
    },
    {"sub": "grace", "actor": "usr_grace", "name": "Grace Hopper", "email": "grace@example.org", "roles": ["reviewer", "finance"]},
    {"sub": "audrey", "actor": "usr_audrey", "name": "Audrey Auditor", "email": "audrey@example.org", "roles": ["auditor"]},
)
CLIENT = "runs-local"
# The provider accepts any secret, and asks for one.
PROVIDER = {
    "clientId": CLIENT,
    "clientSecret": "any-secret-will-do",
    "claims": {"actor": "actor"},
    "roleScopes": {
        "reviewer": ["approvals:decide", "runs:read"],
        "operator": ["runs:write", "flows:read"],
        "auditor": ["runs:read", "flows:read"],
    },
}


def provider_command(settings: Settings) -> list[str | Path]:
    """Returns the command that starts the provider."""
    people = [argument for person in PEOPLE for argument in ("--user-claims", json.dumps(person))]
    return [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--host", "127.0.0.1", "--port", str(settings.port + 3), *people]


def register_provider(settings: Settings, outputs: Mapping[str, str], env: Mapping[str, str]) -> None:
    """Registers the provider for the first organisation. Raises StackError if it is refused."""
    provider = json.dumps({"issuer": settings.login_url, **PROVIDER})
    admin(settings, outputs, "set-identity-provider", "--org", env["QE_ORG"], reads=provider, prints=settings.login_url)
