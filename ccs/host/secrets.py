"""Secrets that another program keeps: a command of the user's, the keychain of macOS, the keyring
of a desktop, AWS Secrets Manager and AWS Parameter Store.

Each is asked in a process of its own with a time limit, and ended with all it started when the
time is up or nobody waits any more. What such a program says is recognised, never repeated: any
of it may be the secret. Loaded only for a profile that names one of them. Lean.
"""

from __future__ import annotations

import json
import os
import sys

from ccs.host import asking
from ccs.host.process import MARKER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Config = Mapping[str, Any]

_SECONDS = 30.0
_KEYRING = "ccs.host.keyringchild"
_INSTALL_KEYRING = "pip install 'claude-code-scheduler[keyring]'"
_PROGRAMS = {"keychain": "security", "aws_sm": "aws", "aws_ssm": "aws"}
# The last byte of the OSStatus that `security` ends with.
_KEYCHAIN_SAYS = {
    36: "the keychain is locked, or asks somebody for permission",
    44: "the keychain has no item of that service and account",
    51: "the keychain refused its password",
    128: "somebody refused access to the keychain",
}
_AWS_SAYS = (
    ("Unable to locate credentials", "aws has no credentials here"),
    ("must specify a region", "aws knows no region; name one in the variable (region=…)"),
    ("config profile", "aws has no such profile"),
    ("has expired", "the login of aws has expired"),
    ("Could not connect", "AWS could not be reached"),
    ("timeout on endpoint", "AWS could not be reached"),
)
_AWS_ERROR = "An error occurred ("


class Secrets:
    """`variables`: what the programs get. `marker`: whose processes they are. `given_up`: says
    something as soon as nobody waits for them any more.
    """

    def __init__(
        self, variables: Mapping[str, str], marker: str, given_up: Callable[[], object] | None
    ) -> None:
        self._variables = {**variables, MARKER: marker}
        self._marker = marker
        self._given_up = given_up

    def find(self, source: str, reference: str, config: Config) -> str:
        """Raises OSError, ValueError in words that hold nothing of the secret."""
        if source == "command":
            return self._command(reference)
        if source == "keychain":
            return self._keychain(reference)
        if source == "keyring":
            return self._keyring(reference)
        words = ["secretsmanager", "get-secret-value", "--secret-id", reference]
        query = "SecretString"
        if source == "aws_ssm":
            words = ["ssm", "get-parameter", "--name", reference]
            query = "Parameter.Value"
            if config.get("decrypt") is not False:
                words.append("--with-decryption")
        return self._aws([*words, "--query", query, "--output", "text"], reference, config)

    def _command(self, line: str) -> str:
        answer = self._ask("the command", ["/bin/sh", "-c", line])
        if answer.code:
            raise ValueError(f"the command ended with {answer.code}")
        return answer.out.decode("utf-8").strip()

    def _keychain(self, reference: str) -> str:
        service, account = _item(reference)
        words = ["find-generic-password", "-s", service, "-a", account, "-w"]
        answer = self._ask("security", [self._program("keychain"), *words])
        if answer.code:
            said = _KEYCHAIN_SAYS.get(answer.code, f"security ended with {answer.code}")
            raise ValueError(f"{said} ({service!r}, {account!r})")
        text = _line(answer)
        if not text or len(text) % 2 or set(text.lower()) - set("0123456789abcdef"):
            return text
        # What is not all printable ASCII comes in hex, and only -g tells which of both this is.
        answer = self._ask("security", [self._program("keychain"), *words[:-1], "-g"])
        told = [b"password:", b"0x" + text.lower().encode()]
        if not any(line.lower().split()[:2] == told for line in answer.err.splitlines()):
            return text
        return bytes.fromhex(text).decode("utf-8").rstrip("\r\n")

    def _keyring(self, reference: str) -> str:
        service, account = _item(reference)
        self._variables = _with_session_bus(self._variables)
        argv = [sys.executable, "-P", "-m", _KEYRING, service, account]
        answer = self._ask("the keyring", argv)
        try:
            told = json.loads(answer.out.splitlines()[-1])
        except (ValueError, IndexError, RecursionError):
            told = None
        found, fault = told if isinstance(told, list) and len(told) == 2 else (None, None)
        if not isinstance(fault, str) or not (fault or isinstance(found, str)):
            # A backend that prints, or that ended the process.
            raise ValueError(f"the keyring could not be asked: exit {answer.code}")
        if fault:
            raise ValueError(_of_keyring(fault, service, account))
        return str(found)

    def _aws(self, words: list[str], reference: str, config: Config) -> str:
        region = config.get("region") or _region_of(reference)
        chosen = {"--region": region, "--profile": config.get("profile")}
        options = [word for name, value in chosen.items() if value for word in (name, value)]
        self._variables |= {"AWS_PAGER": "", "AWS_CLI_AUTO_PROMPT": "off"}
        answer = self._ask("aws", [self._program("aws_sm"), *words, *options])
        if answer.code:
            raise ValueError(_of_aws(answer))
        text = _line(answer)
        if text == "None":  # how the text form spells that there is no such field
            raise ValueError("the secret has no text, only bytes")
        key = config.get("json_key")
        return _member(text, key) if key else text

    def _program(self, source: str) -> str:
        path = _path_of(_PROGRAMS[source], self._variables)
        if path is None:
            raise ValueError(lacking(source, self._variables))
        return path

    def _ask(self, who: str, argv: list[str]) -> asking.Answer:
        answer = asking.ask(
            argv,
            b"",
            None,
            self._variables,
            _SECONDS,
            marker=self._marker,
            given_up=self._given_up,
        )
        if answer.code is None or answer.code < 0:
            raise ValueError(who + answer.fault.removeprefix("it"))
        return answer


def lacking(source: str, environ: Mapping[str, str]) -> str:
    """What this machine lacks to look there, in words; empty if nothing is known to be missing."""
    if source == "keyring":
        from importlib.util import find_spec

        return "" if find_spec("keyring") else f"it needs a package: {_INSTALL_KEYRING}"
    program = _PROGRAMS.get(source)
    if program is None or _path_of(program, environ):
        return ""
    if program == "security":
        return "the keychain is on macOS only, and there is no security command on PATH"
    return f"there is no {program} command on PATH"


def _path_of(program: str, environ: Mapping[str, str]) -> str | None:
    for directory in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(directory, program)
        # "" and "." would mean whatever directory this happens to be.
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def _item(reference: str) -> tuple[str, str]:
    """SERVICE/ACCOUNT; without an account it is named like the service, as the prior system had
    it: just any account of the service might be somebody else's.
    """
    service, _, account = reference.partition("/")
    return service, account or service


def _line(answer: asking.Answer) -> str:
    return answer.out.decode("utf-8").rstrip("\r\n")


def _with_session_bus(variables: dict[str, str]) -> dict[str, str]:
    """cron names no session bus, without which no keyring of a Linux desktop can be found."""
    name = "DBUS_SESSION_BUS_ADDRESS"
    if name in variables or not hasattr(os, "getuid"):
        return variables
    path = f"/run/user/{os.getuid()}/bus"
    return {**variables, name: f"unix:path={path}"} if os.path.exists(path) else variables


def _of_keyring(fault: str, service: str, account: str) -> str:
    known = {
        "absent": f"the keyring has no password for {service!r}, {account!r}",
        "no package": f"it needs a package: {_INSTALL_KEYRING}",
        "NoKeyringError": "there is no keyring here; cron has none of a desktop's session",
        "KeyringLocked": "the keyring is locked, and nobody is there to unlock it",
        "InitError": "the keyring could not be opened",
    }
    return known.get(fault, f"the keyring could not be asked: {fault}")


def _of_aws(answer: asking.Answer) -> str:
    said = answer.err.decode("utf-8", "replace")
    for words, meaning in _AWS_SAYS:
        if words in said:
            return meaning
    code = said.partition(_AWS_ERROR)[2].partition(")")[0]
    if code.isascii() and code.isalnum() and len(code) < 64:
        return f"AWS answered {code}"
    return f"aws ended with {answer.code}"


def _region_of(reference: str) -> str | None:
    """An ARN names its region, and aws does not look for it there."""
    parts = reference.split(":")
    return parts[3] if parts[0] == "arn" and len(parts) > 5 else None


def _member(text: str, key: str) -> str:
    try:
        document = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):  # its words would quote the document
        document = None
    if not isinstance(document, dict):
        raise ValueError(f"it is no JSON object, so it has no key {key!r}")
    if key not in document:
        raise ValueError(f"its JSON has no key {key!r}")
    value = document[key]
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise ValueError(f"what its JSON has under {key!r} is no single value")
    return value
