"""Stand-ins for the programs of the systems' schedulers: small files in a directory on the PATH.

The crontab is as strict as Debian's in what ccs relies on. The others write down how they were
called and remember what is loaded.
"""

from __future__ import annotations

from pathlib import Path

_CRONTAB = r"""#!/bin/sh
state=$(dirname "$0")
[ -e "$state/refuses" ] &&
  { echo "You (you) are not allowed to use this program (crontab)" >&2; exit 1; }
case $1 in
-l) [ -e "$state/table" ] || { echo "no crontab for you" >&2; exit 1; }; cat "$state/table"
    [ -e "$state/slow" ] && sleep 0.5; : ;;
-r) rm "$state/table" ;;
-)  cat > "$state/draft"
    [ -e "$state/full" ] && { echo "crontab: No space left on device" >&2; exit 1; }
    [ -s "$state/draft" ] && [ -n "$(tail -c 1 "$state/draft")" ] &&
      { echo "new crontab file is missing newline before EOF" >&2; exit 1; }
    [ -e "$state/meddles" ] && echo "# added" >> "$state/draft"
    mv "$state/draft" "$state/table" ;;
esac
"""
_LAUNCHCTL = r"""#!/bin/sh
state=$(dirname "$0")
echo "$@" >> "$state/launchctl.calls"
case $1 in
bootstrap) touch "$state/loaded" ;;
bootout) [ -e "$state/loaded" ] && rm "$state/loaded" ;;
print) [ -e "$state/loaded" ] ;;
esac
"""
_SYSTEMCTL = r"""#!/bin/sh
state=$(dirname "$0")
shift
echo "$@" >> "$state/systemctl.calls"
[ -e "$state/no-manager" ] && { echo "Failed to connect to bus: No medium found" >&2; exit 1; }
case $1 in
enable) touch "$state/active.$3" ;;
disable) rm -f "$state/active.$3" "$HOME/.config/systemd/user/timers.target.wants/$3" ;;
is-active) [ -e "$state/active.$2" ] ;;
esac
"""
_SCHTASKS = r"""#!/bin/sh
state=$(dirname "$0")
echo "$@" >> "$state/schtasks.calls"
case $1 in
/Create) cp "$5" "$state/task.xml" ;;
/Query) [ -e "$state/task.xml" ] && cat "$state/task.xml" ;;
/Delete) rm "$state/task.xml" ;;
esac
"""
_ALL = {
    "crontab": _CRONTAB,
    "launchctl": _LAUNCHCTL,
    "systemctl": _SYSTEMCTL,
    "schtasks": _SCHTASKS,
    "loginctl": "#!/bin/sh\necho Linger=yes\n",
}


class Schedulers:
    """`names`: those that this machine is to have."""

    def __init__(self, directory: Path, *names: str) -> None:
        self.directory = directory
        directory.mkdir()
        for name in names:
            program = directory / name
            program.write_text(_ALL[name])
            program.chmod(0o755)

    @property
    def table(self) -> bytes | None:
        path = self.directory / "table"
        return path.read_bytes() if path.exists() else None

    @table.setter
    def table(self, content: bytes) -> None:
        (self.directory / "table").write_bytes(content)

    def calls(self, name: str) -> list[str]:
        path = self.directory / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []

    def has(self, fault: str) -> None:
        """From now on: refuses, full, meddles, slow (crontab), no-manager (systemctl)."""
        (self.directory / fault).touch()
