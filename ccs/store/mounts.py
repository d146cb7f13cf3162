"""On what kind of file system a path lies, by Linux's list of mounts. Pure.

On some of them a lock does not hold other machines off, or there are no locks at all, and a write
that was flushed may still be lost: https://www.kernel.org/doc/html/latest/filesystems/proc.html
describes the list.
"""

from __future__ import annotations

_REMOTE = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ncpfs", "coda", "davfs"),
        *("fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.davfs2", "fuse.smbnetfs"),
        *("drvfs", "vboxsf", "prl_fs", "fuse.vmhgfs-fuse", "fuse.gvfsd-fuse"),
    )
)


def kind_of(path: str, mountinfo: str) -> str:
    """`path` is absolute and without links. Empty when the list does not say."""
    found, longest = "", -1
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        # Optional fields end with a dash: ID PARENT DEVICE ROOT POINT OPTIONS [...] - KIND SOURCE …
        if len(fields) < 6 or "-" not in fields[6:]:
            continue
        kind = fields[fields.index("-", 6) + 1 :][:1]
        point = _unescaped(fields[4]).rstrip("/")
        # Of two at one place the later one hides the other.
        if kind and (path == point or path.startswith(point + "/")) and len(point) >= longest:
            found, longest = kind[0], len(point)
    return found


def is_remote(kind: str) -> bool:
    return kind in _REMOTE


def _unescaped(word: str) -> str:
    """Blank, tab, newline and backslash are written as three octal digits."""
    for letter in (" ", "\t", "\n", "#"):
        word = word.replace(f"\\{ord(letter):03o}", letter)
    return word.replace("\\134", "\\")
