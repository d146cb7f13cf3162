"""A stand-in for the client, for demos and tests: `python -P -m ccs.claude.mock ARGV…`.

It takes the real client's arguments and prompt and ends with its exit codes, without a network or a
model. What it plays is told by `[[mock: KIND key=value …]]` in the prompt, else by CCS_MOCK in the
environment, else it succeeds; several directives are played in turn until one ends the run. It
answers signals as the real client does, and its tools are sessions of their own, too. With
CCS_MOCK_LEDGER=FILE every start appends `RUN PID SESSION` to FILE in one write.
"""

from __future__ import annotations

import os
import signal
import sys

from ccs.claude.mock.plays import PLAYS, SILENT, interrupted, reply, write
from ccs.claude.mock.stream import VERSION, Speaker, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from ccs.claude.mock.plays import Events, Play

_SWITCHES = """-p --print --verbose --fork-session -c --continue --no-session-persistence --bare
    --safe-mode --strict-mcp-config --include-partial-messages --include-hook-events --restricted
    --dangerously-skip-permissions"""
_VALUES = """--output-format --input-format --session-id -r --resume --model --fallback-model
    --permission-mode --permission-prompts --system-prompt --append-system-prompt
    --append-system-prompt-file --max-turns --max-budget-usd --settings --setting-sources --effort
    --agent --agents --name --json-schema --debug-file"""
_LISTS = "--allowedTools --disallowedTools --tools --mcp-config --add-dir --betas"
_MODELS = {"sonnet": "claude-sonnet-5-5", "opus": "claude-opus-5-5", "haiku": "claude-haiku-5-5"}


class Refused(Exception):
    """What the client says on stderr, with exit 1, instead of beginning."""


def main(argv: list[str]) -> int:
    if {"--version", "-v"} & set(argv):
        os.write(1, f"{VERSION} (Claude Code)\n".encode())
        return 0
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name, signal.SIGTERM), _end)
    try:
        options, words = _options(argv)
        prompt = _prompt(options, words)
        plays = [_play(body) for body in _directives(prompt)]
        speaker = _speaker(options)
    except Refused as refusal:
        os.write(2, f"{refusal}\n".encode())
        return 1
    _enter_ledger(speaker.session_id)
    output = options.get("--output-format", "text")
    try:
        return _perform(speaker, plays, output)
    except KeyboardInterrupt:
        _print(interrupted(speaker), output)
        return 0


def _perform(speaker: Speaker, plays: list[tuple[Play, dict[str, str]]], output: str) -> int:
    if plays[0][0] not in SILENT:
        _print(speaker.init(), output)
    for play, told in plays:
        code = _run(play(speaker, told), output)
        if code is not None:
            return code
    return _run(reply(speaker), output) or 0


def _run(events: Events, output: str) -> int | None:
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            code: int | None = end.value
            return code
        _print(event, output)


def _print(event: dict[str, Any], output: str) -> None:
    if output == "stream-json":
        write(1, encode(event))
    elif event["type"] == "result":
        del event["model_usage_since_last_result"]
        text = event.get("result") or f"Error: {' '.join(event['errors'])}"
        write(1, encode(event) if output == "json" else f"{text}\n".encode())


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


# Arguments and prompt


def _options(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    """Options by name (the last value counts) and the words that are left: the prompt."""
    options: dict[str, str] = {}
    words: list[str] = []
    rest = list(argv)
    while rest:
        name, given, value = rest.pop(0).partition("=")
        if name == "--":
            return options, [*words, *rest]
        if not name.startswith("-"):
            words.append(name + given + value)
        elif name in _SWITCHES.split():
            options[name] = ""
        elif name not in (_VALUES + " " + _LISTS).split():
            raise Refused(f"error: unknown option '{name}'")
        elif given:
            options[name] = value
        elif not rest:
            raise Refused(f"error: option '{name} <value>' argument missing")
        else:
            options[name] = rest.pop(0)
            while name in _LISTS.split() and rest and not rest[0].startswith("-"):
                options[name] += "," + rest.pop(0)
    return options, words


def _prompt(options: dict[str, str], words: list[str]) -> str:
    if options.get("--output-format") == "stream-json" and "--verbose" not in options:
        raise Refused("Error: When using --print, --output-format=stream-json requires --verbose")
    piped = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    parts = (*words, piped.decode(errors="replace"))
    prompt = "\n".join(part for part in parts if part.strip())
    if not prompt:
        raise Refused(
            "Error: Input must be provided either through stdin or as a prompt argument"
            " when using --print"
        )
    return prompt


def _speaker(options: dict[str, str]) -> Speaker:
    resumed = options.get("--resume") or options.get("-r")
    forked = "--fork-session" in options
    chosen = options.get("--session-id")
    if chosen and resumed and not forked:
        raise Refused("Error: --session-id with --resume needs --fork-session.")
    session_id = chosen or (resumed if resumed and not forked else _new_id())
    if _uuid(session_id.replace("-", "")) != session_id.lower():
        raise Refused("Error: Invalid session ID. Must be a valid UUID.")
    model = options.get("--model", "sonnet")
    mode = options.get("--permission-mode", "default")
    named = _MODELS.get(model, model)
    return Speaker(session_id, named, os.getcwd(), mode, resumed=bool(resumed) and not forked)


def _new_id() -> str:
    digits = os.urandom(16).hex()
    return _uuid(f"{digits[:12]}4{digits[13:16]}8{digits[17:]}")


def _uuid(digits: str) -> str:
    if len(digits) != 32 or set(digits.lower()) - set("0123456789abcdef"):
        return ""
    parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
    return "-".join(parts).lower()


def _directives(prompt: str) -> list[str]:
    bodies = [part.partition("]]")[0] for part in prompt.split("[[mock:")[1:]]
    return bodies or [os.environ.get("CCS_MOCK", "success")]


def _play(body: str) -> tuple[Play, dict[str, str]]:
    words = body.split()
    if '"' in body or "'" in body:
        import shlex

        try:
            words = shlex.split(body)
        except ValueError as error:
            raise Refused(f"mock: {error} in {body!r}") from error
    kind, *pairs = words or ["success"]
    if kind not in PLAYS:
        raise Refused(f"mock: no play {kind!r}; known: {' '.join(PLAYS)}")
    split = (pair.partition("=") for pair in pairs)
    return PLAYS[kind], {name: value for name, _, value in split}


def _enter_ledger(session_id: str) -> None:
    path = os.environ.get("CCS_MOCK_LEDGER")
    if not path:
        return
    ledger = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    line = f"{os.environ.get('CCS_RUN_ID', '-')} {os.getpid()} {session_id}\n"
    os.write(ledger, line.encode())
    os.close(ledger)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
