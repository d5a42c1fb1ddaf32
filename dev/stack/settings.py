"""Where things are: the repository, the ports, the directory of the running stack, the model to use."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from .console import StackError

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
# MiniStack checks no signature. A twelve-digit key would be taken for an account number.
DUMMY_CREDENTIAL = "local"


@dataclass(frozen=True)
class Settings:
    port: int
    dev_dir: Path
    target_dir: Path
    released: frozenset = frozenset()  # binaries to take from the release build; it exists already

    @classmethod
    def from_environment(cls):
        text = os.environ.get("PORT") or "4566"
        if not text.isdigit() or not 1024 <= int(text) <= 65533:
            raise StackError(f"PORT must be a number from 1024 to 65533 (the two ports after it are used too), not {text!r}.")
        return cls(
            port=int(text),
            dev_dir=(ROOT / (os.environ.get("DEV_DIR") or ".dev")).resolve(),
            target_dir=(ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target")).resolve(),
        )

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def model_url(self):
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def echo_url(self):
        return f"http://127.0.0.1:{self.port + 2}"

    @property
    def env_file(self):
        return self.dev_dir / "env"

    @property
    def dev_dir_name(self):
        """As a user would type it from the repository's root."""
        return str(self.dev_dir.relative_to(ROOT)) if self.dev_dir.is_relative_to(ROOT) else str(self.dev_dir)

    def binary(self, name):
        return self.target_dir / ("release" if name in self.released else "debug") / name

    def log(self, name):
        return self.dev_dir / f"{name}.log"

    def aws_environment(self):
        """What an AWS SDK needs to talk to this stack and to nothing else."""
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

    def child_environment(self):
        """The environment of the stack's processes: the user's, without what belongs to a real AWS account or another stack."""
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

    @classmethod
    def from_environment(cls, settings):
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
        )

    def parameters(self):
        """As parameters of template.yaml; what is empty keeps the template's default."""
        given = {"LlmBaseUrl": self.base_url, "LlmApiKey": self.api_key, "LlmModels": self.models}
        return {name: value for name, value in given.items() if value}
