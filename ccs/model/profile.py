"""A profile: the environment, client and account a task runs with.

A `static` value is a secret at rest in a 0600 file; every other source stores where to look.
"""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from ccs.model.budget import Budget, Reserve
from ccs.model.record import Instant, Name, Part, Record
from ccs.model.shape import Field, field_validator, model_validator
from ccs.model.sources import AWS_OPTIONS, AWS_SOURCES, OTHER_NAMES
from ccs.text import MASK


class EnvVar(Part):
    name: str
    source: Literal[
        "static", "env", "command", "file", "unset", "keychain", "keyring", "aws_sm", "aws_ssm"
    ]
    # Out of repr: a record that ends up in an error text must not carry its secret there.
    value: str = Field(default="", repr=False)
    config: dict[str, Any] | None = None

    @field_validator("name")
    @classmethod
    def _is_a_variable(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
            raise ValueError(f"{value!r} is not a variable name")
        return value

    @field_validator("source", mode="before")
    @classmethod
    def _older_spelling(cls, value: Any) -> Any:
        return OTHER_NAMES.get(value, value) if isinstance(value, str) else value

    @field_validator("value")
    @classmethod
    def _fits_an_environment(cls, value: str) -> str:
        if "\0" in value:
            raise ValueError("an environment variable cannot hold a NUL")
        return value

    @model_validator(mode="after")
    def _says_what_aws_takes(self) -> Self:
        for name, kind in AWS_OPTIONS.items() if self.source in AWS_SOURCES else ():
            if not isinstance((self.config or {}).get(name), kind | None):
                words = "true or false" if kind is bool else "text"
                raise ValueError(f"{name} in the config of {self.name} must be {words}")
        return self


class Profile(Record):
    name: Name
    description: str = ""
    account: str | None = None
    env_vars: list[EnvVar] = []
    claude_path: str | None = None
    config_dir: str | None = None
    # Such as LD_PRELOAD; see `leads_programs`.
    allow_loader_variables: bool = False
    reserve: Reserve | None = None
    on_overage: Literal["stop", "allow"] = "stop"
    budgets: list[Budget] = []
    created_at: Instant
    updated_at: Instant

    def masked(self) -> dict[str, Any]:
        """The record as it may be shown: static values hidden, references left readable."""
        shown = self.record()
        for variable in shown["env_vars"]:
            if variable["source"] == "static" and variable["value"]:
                variable["value"] = MASK
        return shown


# The ids are those the prior system's --zai and --bedrock stood for, so its scripts keep working.
TEMPLATES: dict[str, dict[str, Any]] = {
    "zai": {
        "id": "5270805b-3731-41da-8710-fe765f2e58be",
        "name": "zai",
        "description": "Z.AI through its Anthropic-compatible endpoint",
        "env_vars": [
            {"name": "ANTHROPIC_AUTH_TOKEN", "source": "env", "value": "ZAI_API_KEY"},
            {
                "name": "ANTHROPIC_BASE_URL",
                "source": "static",
                "value": "https://api.z.ai/api/anthropic",
            },
            {"name": "CLAUDE_CODE_USE_BEDROCK", "source": "static", "value": "0"},
        ],
    },
    "bedrock": {
        "id": "9e4eaa7d-ba4e-44c0-861a-712aa75382d1",
        "name": "bedrock",
        "description": "Amazon Bedrock with the AWS credentials of this machine",
        "env_vars": [
            {"name": "CLAUDE_CODE_USE_BEDROCK", "source": "static", "value": "1"},
            {"name": "ANTHROPIC_API_KEY", "source": "unset"},
            {"name": "ANTHROPIC_AUTH_TOKEN", "source": "unset"},
        ],
    },
}
