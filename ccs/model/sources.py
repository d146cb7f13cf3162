"""Where the value of a profile's variable can come from. Lean: the supervisor asks it too."""

from __future__ import annotations

SOURCES = ("static", "env", "command", "file", "unset")
LATER_SOURCES = ("keychain", "keyring", "aws_sm", "aws_ssm")
# What the prior system's documents call them.
OLD_NAMES = {"environment": "env", "aws_secrets_manager": "aws_sm"}  # pragma: allowlist secret
