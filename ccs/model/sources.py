"""Where the value of a profile's variable can come from. Lean: the supervisor asks it too."""

from __future__ import annotations

SOURCES = (
    *("static", "env", "file", "command", "unset"),
    *("keychain", "keyring", "aws_sm", "aws_ssm"),
)
# What the `config` of a variable may say to these two, and of what type.
AWS_SOURCES = ("aws_sm", "aws_ssm")
AWS_OPTIONS = {"region": str, "profile": str, "json_key": str, "decrypt": bool}
# What the prior system's documents call them, and what people type.
OTHER_NAMES = {
    "environment": "env",
    "aws_secrets_manager": "aws_sm",  # pragma: allowlist secret
    "aws-sm": "aws_sm",
    "aws-ssm": "aws_ssm",
}
