"""Files and streams as no program wrote them: refused or passed over in words, never a traceback.

Imports are not among them yet.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from size import SEED, SIZE
from world import FILES

from ccs.claude import outcome, render
from ccs.claude.events import Stream
from ccs.claude.values import parse
from ccs.engine.tick import tick
from ccs.errors import CcsError
from ccs.store.asked import as_it_ran
from ccs.store.home import Home
from ccs.store.owed import Owed
from ccs.store.store import Store

STREAMS = Path(__file__).parents[1] / "claude" / "streams"
NASTY: list[Any] = [None, True, 0, -1, 10**30, 1.5, "", "\x1b[31m", "x" * 3000, [], {}, [[]]]
NASTY += [{"id": 3}, "2026-13-45T00:00:00Z", "../../etc/passwd", {"a": {"b": [None]}}]
TOKENS = [b"NaN", b"Infinity", b"1e999", b"\x00", b"\xff\xfe", b"{", b"]", b'"', b",", b"\\ud800"]
TOKENS += [
    b"[" * 2000,
    b'{"id":1,"id":2}',
    b"\n",
    b"null",
    b" " * 4096,
    b"\r\n",
    "ä\u202e".encode(),
]
NUMBERS = st.integers(0, 2**32 - 1)
DAMAGE = st.tuples(
    st.sampled_from(["cut", "take", "put", "flip", "value", "key"]), NUMBERS, NUMBERS
)


def examples(all_of_them: int) -> Callable[[Any], Any]:
    count = max(100, round(all_of_them * SIZE / 1000))
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    chosen = settings(
        max_examples=count, deadline=None, suppress_health_check=checks, database=None
    )
    return lambda test: chosen(seed(SEED)(test))


def damaged(raw: bytes, damage: tuple[str, int, int]) -> bytes:
    how, where, what = damage
    at = where % (len(raw) + 1)
    if how == "cut":
        return raw[:at]
    if how == "take":
        return raw[:at] + raw[at + what % 200 :]
    if how == "put":
        return raw[:at] + TOKENS[what % len(TOKENS)] + raw[at:]
    if how == "flip":
        return raw[:at] + bytes([what % 256]) + raw[at + 1 :]
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return raw[:at]
    places = list(_places(document))
    if not places:
        return raw[:at]
    holder, key = places[where % len(places)]
    if how == "value" or isinstance(holder, list):
        holder[key] = NASTY[what % len(NASTY)]
    else:
        holder[f"{key}?"] = holder.pop(key)
    return json.dumps(document).encode()


def _places(value: Any) -> Any:
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield value, key
        yield from _places(value[key])


@pytest.fixture(scope="module")
def kept(furnished, tmp_path_factory) -> Path:
    """A furnished store with something in each of its files."""
    with furnished.borrowed() as world:
        world.ok("tasks", "create", "--name", "due", "--prompt", "x", "--cron", "* * * * *")
        world.ok("usage", "record", stdin='{"rate_limits": {"five_hour": {"used_percentage": 4}}}')
        born = "2026-01-01T00:00:00Z"
        world.edit("tasks", lambda tasks: tasks[-1].update(active_since=born))
        account = {"id": "default", "windows": {}, "outage": {"reason": "auth", "message": "x"}}
        world.edit("usage", lambda accounts: accounts.append(account))
        owed = {"id": "0" * 8, "event": "failure", "channel": "log", "at": "x", "facts": {}}
        world.edit("notify", lambda entries: entries.append(owed))
        world.edit(
            "cursors", lambda entries: entries.append({"id": world.ids["task"], "slot": "x"})
        )
        place = tmp_path_factory.mktemp("kept") / "store"
        shutil.copytree(world.store, place)
    return place


def _private(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


@examples(30_000)
@given(name=st.sampled_from(FILES), damage=st.lists(DAMAGE, min_size=1, max_size=3))
def test_a_damaged_file_is_refused_or_read_and_nothing_of_it_is_thrown_away(kept, name, damage):
    path = kept / f"{name}.json"
    good = path.read_bytes()
    bad = good
    for one in damage:
        bad = damaged(bad, one)
    store = Store(Home(str(kept)))
    _private(path, bad)
    try:
        _read(store, name)
        if name in ("jobs", "tasks", "runs", "profiles"):
            _put_one(store, name)
    except CcsError:
        assert path.read_bytes() == bad, "what could not be read was written over"
    finally:
        _private(path, good)
        (kept / f"{name}.json.prev").unlink(missing_ok=True)
        (kept / f"{name}.json.format-0").unlink(missing_ok=True)


def _read(store: Store, name: str) -> None:
    readers: dict[str, Callable[[], Any]] = {
        "settings": store.settings,
        "cursors": store.cursors.read,
        "usage": store.ledger.read,
        "notify": Owed(store.home).read,
    }
    if name in readers:
        readers[name]()
    else:
        getattr(store, name).read()


def _put_one(store: Store, name: str) -> None:
    collection: Any = getattr(store, name)
    before = collection.file.read()
    records = collection.judge(before).records
    if records:
        collection.put(records[0])
        assert len(collection.file.read().entries) == len(before.entries)


EVERY_FILE = st.sampled_from(
    [*(f"{one}.json" for one in FILES), "agenda", "tick.json", "tidied.json", "limit-texts.json"]
)


@examples(10_000)
@given(name=EVERY_FILE, damage=st.lists(DAMAGE, min_size=1, max_size=2))
def test_a_tick_among_damaged_files_ends_in_order(kept, tmp_path, name, damage):
    place = tmp_path / "store"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(kept, place)
    path = place / name
    bad = path.read_bytes() if path.exists() else b"{}"
    for one in damage:
        bad = damaged(bad, one)
    _private(path, bad)
    launched: list[str] = []
    store = Store(Home(str(place)))
    try:
        tick(store, datetime.now(UTC), {}, None, lambda home, runs, env: launched.extend(runs))
    except CcsError:
        assert not launched, "it launched, and could not go on"
    assert len(launched) == len(set(launched))


@examples(10_000)
@given(
    name=st.sampled_from(["outcome.json", "owner", "stop", "starts", "started", "task"]),
    damage=DAMAGE,
)
def test_a_tick_among_damaged_run_directories_ends_in_order(kept, tmp_path, name, damage):
    place = tmp_path / "store"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(kept, place)
    store = Store(Home(str(place)))
    tick(store, datetime.now(UTC), {}, None, lambda *_: None)
    (run,) = [one for one in store.runs.all() if one.unfinished]
    store.runs.put(run.changed(status="running"))
    contents = {
        "outcome.json": b'{"status": "success", "reason": null, "message": "m", "turns": 3}',
        "owner": b'{"pid": 999999, "started": 1, "boot": "x"}',
        "stop": b"stopped",
        "starts": b"...",
        "started": b"",
    }
    rundir = place / "runs" / run.id
    _private(rundir / "started", b"")
    if name == "task":
        path = Path(store.home.as_run(run.id))
        _private(path, damaged(path.read_bytes(), damage))
    else:
        _private(rundir / name, damaged(contents[name], damage))
    done = tick(store, datetime.now(UTC), {}, None, lambda *_: None)
    assert done is not None
    found = store.get_run(run.id)
    assert found is not None
    assert not found.unfinished or done.problems
    as_it_ran(store.home, run.id)


LINES = [
    line
    for path in sorted(STREAMS.glob("*.stdout.json*"))
    for line in path.read_bytes().splitlines()
    if line.strip()
]


@examples(50_000)
@given(
    st.lists(st.tuples(st.sampled_from(LINES), DAMAGE), min_size=1, max_size=4), st.integers(-9, 2)
)
def test_a_malformed_stream_is_judged_all_the_same(lines, code):
    stream = Stream()
    for line, damage in lines:
        for one in damaged(line, damage).split(b"\n"):
            event = parse(one)
            if event is not None:
                stream.feed(event)
                render.lines(event)
    ended = outcome.judge(stream, outcome.Exit(code, None), "")
    assert ended["status"] in ("success", "failed", "limited", "cancelled", "lost")
    json.dumps(ended)
