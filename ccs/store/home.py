"""The one place that knows where things rest, and whether the place can be trusted.

Whoever can write the store can make ccs run an agent as its owner, so a store that is foreign or
that others can write is refused, never repaired in silence. Lean: loaded by every supervisor.
"""

from __future__ import annotations

import errno
import os
import stat

from ccs.errors import BrokenStore
from ccs.store.links import is_elsewhere
from ccs.store.mending import out_of_the_way, own_copy, own_lock, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = 1
COLLECTIONS = ("jobs", "tasks", "runs", "profiles")
FILE_MODE = 0o600
# What opening a link, a pipe that nobody reads or a directory fails with.
_NO_FILE = (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR)
# What is added to the name of a log that has grown old.
COMPRESSED = ".gz"
_SAFE = 0
# A pipe in a file's place is refused after it is opened, so opening it must not wait for its other
# end. Windows has only the last of these.
for _flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"):
    _SAFE |= getattr(os, _flag, 0)
_PARTS = ("runs", "logs", "locks", "history", "watch")


class Home:
    """Paths of one store. Nothing is created before `create()`."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    @classmethod
    def of(cls, environ: os._Environ[str] | dict[str, str]) -> Home:
        """`$CCS_HOME`, else `~/.claude-scheduler`."""
        named = environ.get("CCS_HOME")
        # cron expands no ~, and a directory of that name is never meant.
        return cls(os.path.expanduser(named or os.path.join(_user_home(), ".claude-scheduler")))

    def file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def collection(self, name: str) -> str:
        return self.file(f"{name}.json")

    def listing(self, name: str) -> str:
        """What lists need of a collection while it does not change. Derived."""
        return self.file(f"{name}.listing")

    @property
    def settings(self) -> str:
        return self.file("settings.json")

    @property
    def cursors(self) -> str:
        return self.file("cursors.json")

    @property
    def host(self) -> str:
        """Which machine the store belongs to."""
        return self.file("host")

    @property
    def usage(self) -> str:
        return self.file("usage.json")

    @property
    def usage_lock(self) -> str:
        return os.path.join(self.file("locks"), "usage.lock")

    @property
    def limit_texts(self) -> str:
        """The user's own additions to what limit messages say."""
        return self.file("limit-texts.json")

    @property
    def transcripts(self) -> str:
        """How far the client's transcripts have been read. Derived."""
        return self.file("transcripts.json")

    @property
    def agenda(self) -> str:
        return self.file("agenda")

    @property
    def last_tick(self) -> str:
        return self.file("tick.json")

    @property
    def installed(self) -> str:
        """What `ccs install` made the system's scheduler call, and since when."""
        return self.file("installed.json")

    @property
    def sight(self) -> str:
        """What a tick could see that the system's scheduler called. Derived."""
        return self.file("sight.json")

    @property
    def tidied(self) -> str:
        """When old runs and logs were looked at last. Derived."""
        return self.file("tidied.json")

    @property
    def tidy_lock(self) -> str:
        return os.path.join(self.file("locks"), "tidy.lock")

    @property
    def history(self) -> str:
        return self.file("history")

    @property
    def runs(self) -> str:
        return self.file("runs")

    @property
    def store_lock(self) -> str:
        return os.path.join(self.file("locks"), "store.lock")

    @property
    def tick_lock(self) -> str:
        return os.path.join(self.file("locks"), "tick.lock")

    @property
    def parts(self) -> frozenset[str]:
        """Every directory in it but those of the runs."""
        return frozenset((*map(self.file, _PARTS), os.path.join(self.history, "index")))

    @property
    def known(self) -> frozenset[str]:
        """Every path directly in it that ccs makes."""
        files = (self.settings, self.cursors, self.host, self.usage, self.limit_texts, self.agenda)
        derived = (self.transcripts, self.last_tick, self.installed, self.sight, self.tidied)
        notices = self.file("notify.json")
        listings = (self.listing("tasks"), self.listing("runs"))
        collections = map(self.collection, COLLECTIONS)
        parts = map(self.file, _PARTS)
        return frozenset((*files, *derived, notices, *listings, *collections, *parts))

    def tree(self, task_id: str, state: str) -> str:
        """The paths of a watched tree, as `seen` by the last scan or as it was when it `fired`."""
        return os.path.join(self.file("watch"), f"{task_id}.{state}")

    def log(self, run_id: str) -> str:
        """What a person reads of a run."""
        return os.path.join(self.file("logs"), f"run_{run_id}.log")

    def stream(self, run_id: str) -> str:
        """The client's output as it came."""
        return os.path.join(self.file("logs"), f"run_{run_id}.jsonl")

    def as_run(self, run_id: str) -> str:
        """The task as the run ran it."""
        return os.path.join(self.file("logs"), f"run_{run_id}.task.json")

    def times(self, run_id: str) -> str:
        """When what stands in its logs was written."""
        return os.path.join(self.file("logs"), f"run_{run_id}.times")

    def tree_before(self, run_id: str) -> str:
        """The working tree as it was before the run, and what the run left in it."""
        return os.path.join(self.file("logs"), f"run_{run_id}.tree.json")

    def logs_of(self, run_id: str) -> list[str]:
        """All that is kept of a run beside its record, be it there or not."""
        logs = [self.log(run_id), self.stream(run_id)]
        compressed = [path + COMPRESSED for path in logs]
        beside = [self.times(run_id), self.as_run(run_id), self.tree_before(run_id)]
        return [*logs, *compressed, *beside]

    def create(self) -> None:
        """Makes what is missing, private from its first moment. Raises BrokenStore, OSError."""
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        for path in (self.path, *map(self.file, _PARTS)):
            make_directory(path)

    def exists(self) -> bool:
        """Raises BrokenStore when there is a store that cannot be trusted."""
        try:
            check_directory(self.path)
        except FileNotFoundError:
            return False
        for path in map(self.file, _PARTS):
            try:
                check_directory(path)
            except FileNotFoundError:
                pass  # made when it is needed
        return True


def make_directory(path: str) -> bool:
    """Whether this call made it, private. Raises BrokenStore for what stands there, OSError."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        check_directory(path)
        return False
    return True


def check_directory(path: str) -> None:
    """Raises BrokenStore unless it is ours alone to write, FileNotFoundError."""
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise foreign(path, status.st_mode, "directory")
    _check_owner(status, path)


def check_file(path: str) -> None:
    """Raises BrokenStore for what `open_file` would refuse, FileNotFoundError."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        raise foreign(path, status.st_mode)
    _check_file(lambda: os.lstat(path), path)


def open_file(path: str, flags: int) -> int:
    """A descriptor of a regular file of the store: never through a link of either kind, never one
    that others own or can write. Raises BrokenStore, OSError.
    """
    try:
        fd = os.open(path, flags | _SAFE, FILE_MODE)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise foreign(path, os.lstat(path).st_mode) from None
        raise
    if flags & os.O_EXCL:
        return fd  # made just now
    try:
        _check_file(lambda: os.fstat(fd), path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check_file(look: Callable[[], os.stat_result], path: str) -> None:
    status = look()
    if not stat.S_ISREG(status.st_mode):
        raise foreign(path, status.st_mode)
    # A run's lock is held for hours, so it could not be replaced, and nothing is written to it.
    if status.st_nlink > 1 and os.path.basename(path) != "lock" and is_elsewhere(look, path):
        # Whoever made the other name may have kept the right to write, or tricks us into writing
        # what is not ours; and what we append here would be appended to somebody's backup.
        raise BrokenStore(
            f"{path} has a second name elsewhere (a backup made of hard links?), by which each "
            "would change with the other",
            own_lock(path) if path.endswith(".lock") else own_copy(path),
        )
    _check_owner(status, path)


def _check_owner(status: os.stat_result, path: str) -> None:
    if os.name == "nt":
        return  # POSIX modes say nothing there; the profile directory's ACL protects the store.
    if status.st_uid not in (os.geteuid(), 0):
        as_root = "" if os.geteuid() == 0 else "sudo "
        raise BrokenStore(
            f"{path} belongs to another user", f"{as_root}chown {os.geteuid()} {quoted(path)}"
        )
    if status.st_mode & 0o022:
        raise BrokenStore(
            f"{path} can be written by others, who could make it run something as you",
            f"chmod go-w {quoted(path)}",
        )


def foreign(path: str, mode: int, wanted: str = "regular file") -> BrokenStore:
    """The refusal of a link, a pipe or whatever else stands where a `wanted` belongs. The command
    that mends it keeps what a link leads to.
    """
    if stat.S_ISLNK(mode):
        words = f"{path} is a link, not a {wanted}; ccs follows none"
        if wanted == "regular file" and os.path.isfile(path):
            return BrokenStore(words, own_copy(path))
        if wanted == "directory" and os.path.isdir(path):
            real = os.path.realpath(path)
            return BrokenStore(words, f"rm {quoted(path)} && cp -Rp {quoted(real)} {quoted(path)}")
        return BrokenStore(words, out_of_the_way(path))
    return BrokenStore(f"{path} is not a {wanted}", out_of_the_way(path))


def _user_home() -> str:
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        raise BrokenStore("no home directory is known", "set CCS_HOME to an absolute path")
    return home
