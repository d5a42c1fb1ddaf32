"""Creates two organisations, their keys and their connection to the echo service, and writes them to `<dev dir>/env`."""

import os
import shlex
import subprocess
from collections.abc import Mapping

from .console import StackError, Stage
from .settings import LOCAL_PARAMETERS, REGION, Settings


def base_url(settings: Settings, outputs: Mapping[str, str]) -> str:
    """Returns the URL of the API up to and including its stage, as MiniStack serves it."""
    return f"{settings.endpoint}/restapis/{outputs['ApiId']}/{outputs['StageName']}/_user_request_"


def seed(settings: Settings, outputs: Mapping[str, str]) -> dict[str, str]:
    """Creates organisations and keys. Returns the values of the env file."""
    stage = Stage("Seed")
    missing = [name for name in ("ApiId", "StageName", "TableName", "BucketName") if name not in outputs]
    if missing:
        raise StackError(f"template.yaml has no output {', '.join(missing)}, which the local stack needs.")
    values = {
        "QE_BASE_URL": base_url(settings, outputs),
        **organisations(settings, outputs),
        "QE_ECHO_URL": settings.echo_url,
        "QE_MODEL_URL": settings.model_url,
        "QE_LOGIN_URL": settings.login_url,
        "TABLE_NAME": outputs["TableName"],
        "BUCKET_NAME": outputs["BucketName"],
        "RUN_STATE_MACHINE_ARN": outputs.get("RunStateMachineArn", ""),
        "RESUME_STATE_MACHINE_ARN": outputs.get("ResumeStateMachineArn", ""),
        "AWS_ENDPOINT_URL": settings.endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": settings.aws_environment()["AWS_ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": settings.aws_environment()["AWS_SECRET_ACCESS_KEY"],
    }
    stage.done("two organisations with their keys and a connection to the echo service")
    return values


def organisations(settings: Settings, outputs: Mapping[str, str]) -> dict[str, str]:
    """Creates two organisations. Returns the values that name them and their keys."""
    first, second = (admin(settings, outputs, "new-org", prints="org_") for _ in range(2))
    for org in (first, second):
        admin(settings, outputs, "put-connection", "--org", org, "--slug", "custom:echo", "--base-url", settings.echo_url)

    def key(org: str, actor: str, name: str, *more: str) -> str:
        return admin(settings, outputs, "create-key", "--org", org, "--actor", actor, "--name", name, *more, prints="qe_sk_")

    return {
        "QE_ORG": first,
        "QE_API_KEY": key(first, "usr_ada", "Ada, all scopes", "--roles", "reviewer", "--teams", "payments"),
        "QE_READ_API_KEY": key(first, "usr_ada", "Ada, runs:read", "--scopes", "runs:read"),
        "QE_SECOND_API_KEY": key(first, "usr_grace", "Grace, all scopes"),
        "QE_OTHER_API_KEY": key(second, "usr_linus", "Another organisation, all scopes"),
        # On the local stack other keys may call as often as they like.
        "QE_LIMITED_API_KEY": key(
            second, "usr_linus", "Another organisation, rate limited", "--reads-per-minute", "5", "--writes-per-minute", "3"
        ),
    }


def write_env(settings: Settings, values: Mapping[str, str]) -> None:
    """Writes the env file as lines that sh can source. Only the user may read it, since it contains keys."""
    fresh = settings.env_file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    fresh.replace(settings.env_file)


def read_env(settings: Settings) -> dict[str, str] | None:
    """Returns the values of the env file; None if there is no such file."""
    try:
        text = settings.env_file.read_text()
    except OSError:
        return None
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


def require_env(settings: Settings) -> dict[str, str]:
    """Returns the values of the env file; raises StackError if there is no such file."""
    env = read_env(settings)
    if env is None:
        raise StackError(f"No stack is running in {settings.dev_dir_name}; `make up` starts one.")
    return env


def admin(settings: Settings, outputs: Mapping[str, str], *arguments: str, reads: str = "", prints: str = "") -> str:
    """Gives `reads` to runs-admin and returns what it prints, which must begin with `prints`.

    Its environment contains only the credentials of the stack. Raises StackError if it fails.
    """
    environment = {
        **settings.child_environment(),
        "TABLE_NAME": outputs["TableName"],
        "BUCKET_NAME": outputs["BucketName"],
        "SECRETS_KEY_ARN": outputs.get("SecretsKeyArn", ""),
        "EGRESS_ALLOW": LOCAL_PARAMETERS["EgressAllow"],
    }
    tool = settings.binary("runs-admin")
    try:
        ran = subprocess.run([tool, *arguments], env=environment, input=reads, capture_output=True, text=True, timeout=60, check=False)
    except OSError as problem:
        raise StackError(f"{tool} cannot be run: {problem.strerror}.") from None
    except subprocess.TimeoutExpired:
        raise StackError(f"`runs-admin {arguments[0]}` did not answer within 60 s.") from None
    if ran.returncode != 0:
        said = (ran.stderr.strip() or ran.stdout.strip() or "it said nothing").splitlines()[-1]
        raise StackError(f"`runs-admin {arguments[0]}` failed: {said}")
    said = ran.stdout.strip()
    if not said.startswith(prints):
        raise StackError(f"`runs-admin {arguments[0]}` should have printed {prints}…, and printed {said[:40] or 'nothing'}.")
    return said
