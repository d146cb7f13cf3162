"""Names that have broken schedulers, and a program that writes down how it was called."""

from __future__ import annotations

from pathlib import Path

NAMES = (
    *("plain", "sp ace", "  around  ", "per%cent", "%%", "%h", r"\%", "a\\%b", "back\\slash"),
    *("two\\\\s", "end\\", "dol$lar", "$HOME", "${PATH}", "$$", 'quo"te', "apo'strophe", '"', "'"),
    *("semi;colon", "amp&ersand", "<angle>", "pipe|", "`tick`", "$(id)", "#hash", "~tilde", "*"),
    *("-dash", "@at", "!bang", "a=b", "日本 é", "עברית", "😀", "line\u2028sep", "nel\x85", "--"),
)
CONTROLS = ("new\nline", "re\rturn", "ta\tb", "nu\0l", "esc\x1b[31m", "del\x7f")


def recorder(directory: Path) -> tuple[Path, Path]:
    """A program in that directory, and the file it leaves: its environment, an empty entry, its
    own path and its arguments, each ended by a NUL."""
    directory.mkdir(parents=True, exist_ok=True)
    program, left = directory / "python", directory / "called"
    program.write_text(
        "#!/bin/sh\n"
        '{ env -0; printf "\\0"; printf "%s\\0" "$0" "$@"; } > "${0%/*}/called.new"\n'
        'mv "${0%/*}/called.new" "${0%/*}/called"\n'
    )
    program.chmod(0o755)
    return program, left


def called(left: Path) -> tuple[dict[str, str], list[str]]:
    environment, _, words = left.read_bytes().decode(errors="surrogateescape").partition("\0\0")
    pairs = (entry.partition("=") for entry in environment.split("\0"))
    return {name: value for name, _, value in pairs}, words.removesuffix("\0").split("\0")
