"""The settings of the local stack: the repository, the ports, the directory of the stack, and the model that flows use."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from .console import StackError

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
# MiniStack checks no signature. A twelve-digit key would be taken for an account number.
DUMMY_CREDENTIAL = "local"
MAIL_FROM = "runs@example.org"
# Flows may call services on this machine, and the few keys of the stack make the calls of hundreds of tests.
LOCAL_PARAMETERS = {"EgressAllow": "loopback", "MailFrom": MAIL_FROM, "RateLimitReads": "1000000", "RateLimitWrites": "1000000"}


@dataclass(frozen=True)
class Settings:
    """Where the stack runs, where it keeps its files, and which binaries it runs."""

    port: int
    dev_dir: Path
    target_dir: Path
    released: frozenset[str] = frozenset()  # the binaries to take from the release build, which exists already

    @classmethod
    def from_environment(cls) -> "Settings":
        """Reads PORT, DEV_DIR and CARGO_TARGET_DIR; raises StackError if PORT is not usable."""
        text = os.environ.get("PORT") or "4566"
        if not text.isdigit() or not 1024 <= int(text) <= 65532:
            raise StackError(f"PORT must be a number from 1024 to 65532 (the three ports after it are used too), not {text!r}.")
        return cls(
            port=int(text),
            dev_dir=(ROOT / (os.environ.get("DEV_DIR") or ".dev")).resolve(),
            target_dir=(ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target")).resolve(),
        )

    @property
    def endpoint(self) -> str:
        """The URL of MiniStack."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def model_url(self) -> str:
        """The URL of the scripted model."""
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def echo_url(self) -> str:
        """The URL of the echo service."""
        return f"http://127.0.0.1:{self.port + 2}"

    @property
    def login_url(self) -> str:
        """The URL of the identity provider, which is its issuer, too."""
        return f"http://127.0.0.1:{self.port + 3}"

    @property
    def env_file(self) -> Path:
        """The file with the address, the keys and the names of the resources."""
        return self.dev_dir / "env"

    @property
    def dev_dir_name(self) -> str:
        """The directory of the stack as a user would type it from the root of the repository."""
        return str(self.dev_dir.relative_to(ROOT)) if self.dev_dir.is_relative_to(ROOT) else str(self.dev_dir)

    def binary(self, name: str) -> Path:
        """Returns the path of the executable with this name."""
        return self.target_dir / ("release" if name in self.released else "debug") / name

    def log(self, name: str) -> Path:
        """Returns the path of the log of the process with this name."""
        return self.dev_dir / f"{name}.log"

    def aws_environment(self) -> dict[str, str]:
        """Returns the variables with which an AWS SDK talks to this stack and to nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": DUMMY_CREDENTIAL,
            "AWS_SECRET_ACCESS_KEY": DUMMY_CREDENTIAL,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def child_environment(self) -> dict[str, str]:
        """Returns the environment of the stack's processes: the user's, without what belongs to a real AWS account or another stack."""
        foreign = ("AWS_", "LLM_", "QE_", "MAKE", "PYTHON")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        bypass = ",".join(filter(None, [inherited.get("NO_PROXY") or inherited.get("no_proxy"), "127.0.0.1", "localhost"]))
        return {**inherited, **self.aws_environment(), "NO_PROXY": bypass, "no_proxy": bypass, "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True)
class Model:
    """The language model that flows use."""

    base_url: str
    api_key: str
    models: str
    scripted: bool
    options: str = ""

    @classmethod
    def from_environment(cls, settings: Settings) -> "Model":
        """Reads LLM_BASE_URL, LLM_API_KEY, LLM_MODELS and LLM_OPTIONS; without an address the model is the scripted one. Raises StackError."""
        base_url = os.environ.get("LLM_BASE_URL", "").rstrip("/")
        if base_url and not base_url.startswith(("http://", "https://")):
            raise StackError(f"LLM_BASE_URL must start with http:// or https://, as in https://api.openai.com/v1; it is {base_url!r}.")
        models = os.environ.get("LLM_MODELS") or ""
        if models:
            try:
                usable = isinstance(json.loads(models), dict)
            except ValueError:
                usable = False
            if not usable:
                raise StackError('LLM_MODELS must be a JSON object such as {"quantum-ai:default":"gpt-4o-mini"}.')
        elif not base_url:
            models = '{"quantum-ai:default":"scripted"}'
        return cls(
            base_url=base_url or f"{settings.model_url}/v1",
            api_key=os.environ.get("LLM_API_KEY", ""),
            models=models,
            scripted=not base_url,
            options=os.environ.get("LLM_OPTIONS", ""),
        )

    def parameters(self) -> dict[str, str]:
        """Returns the parameters of template.yaml; what is empty keeps the default of the template."""
        given = {"LlmBaseUrl": self.base_url, "LlmApiKey": self.api_key, "LlmModels": self.models, "LlmOptions": self.options}
        return {name: value for name, value in given.items() if value}
