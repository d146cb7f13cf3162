"""Where the value of a profile's variable can come from. Lean: the supervisor asks it too."""

from __future__ import annotations

_SECRET_ENDS = (
    *("_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_PASSWD", "_PASSPHRASE", "_CREDENTIALS"),
    *("APIKEY", "PASSWORD", "_AUTH", "_PAT", "_HEADERS"),
)
_BEDROCK = ("AWS_BEARER_TOKEN_BEDROCK",)
# By these a program is made to load or run something else before or instead of its own code.
_LEADING = frozenset(
    (
        *("PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONINSPECT", "PYTHONBREAKPOINT"),
        *("PYTHONUSERBASE", "PYTHONEXECUTABLE", "NODE_OPTIONS", "NODE_PATH", "NODE_REPL_HISTORY"),
        *("BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PROMPT_COMMAND", "PS4", "ZDOTDIR", "IFS"),
        *("PERL5OPT", "PERL5LIB", "PERLLIB", "PERL5DB", "RUBYOPT", "RUBYLIB", "LUA_INIT"),
        *("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "DOTNET_STARTUP_HOOKS"),
        *("GIT_SSH", "GIT_SSH_COMMAND", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PROXY_COMMAND"),
        *("GIT_ASKPASS", "SSH_ASKPASS", "GIT_EDITOR", "GIT_PAGER", "GIT_TEMPLATE_DIR"),
        *("GCONV_PATH", "BUN_OPTIONS", "RUSTC_WRAPPER", "PHPRC", "PHP_INI_SCAN_DIR"),
    )
)
_LEADING_BEGINS = ("LD_", "DYLD_", "GIT_CONFIG", "BASH_FUNC_", "LUA_INIT_", "npm_config_")

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


def looks_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret, as names go."""
    return f"_{name.upper()}".endswith(_SECRET_ENDS)


def is_credential(name: str) -> bool:
    """Whether it is one by which the client gets at the model: nobody else needs it."""
    return name in _BEDROCK or (name.startswith(("ANTHROPIC_", "CLAUDE_")) and looks_secret(name))


def leads_programs(name: str) -> bool:
    """Whether this variable makes programs run code that is not theirs: a profile that came from
    somewhere else could do anything by it.
    """
    return name in _LEADING or name.startswith(_LEADING_BEGINS)
