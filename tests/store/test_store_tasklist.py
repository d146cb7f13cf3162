"""Some of the tasks read, as if all of them were."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from store_records import an_id, task

from ccs.errors import BrokenStore
from ccs.store import agenda, atomic, tasklist

VERSION = "1.2.3"
NOW = datetime.now(UTC).replace(microsecond=0)
LATER = int(NOW.timestamp()) + 600


@pytest.fixture
def book(store):
    """Three tasks that sleep, as a tick left them."""
    store.tasks.put(*(task(number, name=f"näme {number}") for number in range(3)))
    found = read(store)
    assert len(found.awake) == 3
    note(store, found, {one.id: LATER for one in found.awake})
    return store


def read(store, now=NOW, version=VERSION):
    return tasklist.read(store.tasks, store.home.path, version, now)


def note(store, found, wakes, now=NOW):
    stamps = {
        name: atomic.stamp_of(store.home.file(name)) for name in ("tasks.json", "cursors.json")
    }
    line = agenda.line(VERSION, now.timestamp(), found.wake(wakes), False, stamps)
    atomic.write(store.home.agenda, (line + found.text(wakes)).encode())


def awake(found):
    return [one.name for one in found.awake]


def edited(store, change):
    """tasks.json changed by hand, in its own layout."""
    path = store.tasks.file.path
    with open(path) as file:
        document = json.load(file)
    change(document["tasks"])
    with open(path, "w") as file:
        file.write(json.dumps(document, indent=2) + "\n")


def test_what_sleeps_is_not_read_but_found_when_it_is_asked_for(book):
    found = read(book)
    assert found.awake == []
    assert set(found.by_id) == {an_id(0), an_id(1), an_id(2)}
    assert found.by_id[an_id(1)] == book.tasks.get(an_id(1))
    assert found.raw[an_id(2)] == book.tasks.read().raw[an_id(2)]
    assert found.by_id.get("no such task") is None
    assert found.wake({}) == LATER


def test_what_has_come_due_is_awake(book):
    found = read(book)
    note(book, found, {an_id(1): int(NOW.timestamp()), an_id(2): tasklist.ALWAYS})
    found = read(book)
    assert awake(found) == ["näme 1", "näme 2"]
    assert found.wake({an_id(1): tasklist.NEVER}) == LATER


def test_of_a_changed_file_only_what_changed_is_awake(book):
    edited(book, lambda tasks: tasks[1].update(name="another"))
    assert awake(read(book)) == ["another"]
    edited(book, lambda tasks: tasks.insert(0, {**tasks[2], "id": an_id(9), "name": "new"}))
    found = read(book)
    assert awake(found) == ["new", "another"]
    assert found.by_id[an_id(2)].name == "näme 2"
    edited(book, lambda tasks: tasks.pop(3))
    assert set(read(book).by_id) == {an_id(9), an_id(0), an_id(1)}


def test_a_file_that_stays_as_it_was_read_is_told_by_its_stamp(book):
    status = os.stat(book.tasks.file.path)
    os.utime(book.tasks.file.path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert awake(read(book)) == [], "touched only"


@pytest.mark.parametrize(
    "change",
    [
        lambda tasks: tasks[1].update(timeout="never"),
        lambda tasks: tasks.append({**tasks[0], "name": "a double"}),
        lambda tasks: tasks.append(5),
        lambda tasks: tasks.clear(),
        lambda tasks: tasks[1].pop("id"),
    ],
)
def test_with_anything_odd_in_it_the_whole_file_is_read(book, change):
    edited(book, change)
    found, reading = read(book), book.tasks.read()
    assert found.awake == reading.records
    assert list(map(str, found.problems)) == list(map(str, reading.problems))
    assert found.text({}) == "" or not reading.problems


@pytest.mark.parametrize(
    "layout", [{"indent": 4}, {"indent": None}, {"indent": 2, "sort_keys": True}]
)
def test_another_layout_is_read_whole_and_well(book, layout):
    path = book.tasks.file.path
    with open(path) as file:
        document = json.load(file)
    with open(path, "w") as file:
        file.write(json.dumps(document, **layout))
    assert read(book).awake == book.tasks.read().records


def test_a_file_that_cannot_be_parsed_is_refused(book):
    with open(book.tasks.file.path, "a") as file:
        file.write("}")
    with pytest.raises(BrokenStore):
        read(book)
    with open(book.tasks.file.path, "r+") as file:
        text = file.read().rstrip("}")
        file.seek(0)
        file.write(text.replace('"enabled": true', '"enabled": true"', 1) + " ")
    with pytest.raises(BrokenStore):
        read(book)


@pytest.mark.parametrize(
    "when",
    [{"now": NOW - timedelta(minutes=5)}, {"version": "1.2.4"}, {"now": NOW + timedelta(days=2)}],
)
def test_another_version_a_clock_moved_back_and_a_day_gone_by_read_all(book, when):
    assert len(read(book, **when).awake) == 3


def test_another_boot_and_other_cursors_read_all(book, monkeypatch):
    book.cursors.write(book.cursors.read(), [{"id": an_id(1), "slot": "2026-11-20T10:00:00.000Z"}])
    assert len(read(book).awake) == 3
    note(book, read(book), {an_id(number): LATER for number in range(3)})
    assert read(book).awake == []
    monkeypatch.setattr(agenda, "boot_id", lambda: "another")
    assert len(read(book).awake) == 3


def test_a_damaged_agenda_reads_all_and_never_fails(book):
    with open(book.home.agenda, "rb") as file:
        text = file.read()
    everything = set(read(book).by_id)
    for place in range(0, len(text), 19):
        for damaged in (text[:place], text[:place] + b"\0x" + text[place + 2 :]):
            atomic.write(book.home.agenda, damaged, durable=False)
            found = read(book)
            assert set(found.by_id) == everything or found.awake == []
            assert [one.name for one in found.awake] in ([], ["näme 0", "näme 1", "näme 2"])


def test_what_changes_while_the_tick_goes_on_is_not_mixed(book):
    found = read(book)
    edited(book, lambda tasks: tasks[1].update(name="another"))
    with pytest.raises(tasklist.ChangedMeanwhile):
        found.by_id[an_id(1)]


def test_no_task_is_worth_a_read_when_there_are_many(store):
    """Counted, not timed: of a thousand sleeping tasks none is parsed."""
    store.tasks.put(*(task(number) for number in range(1000)))
    found = read(store)
    note(store, found, {one.id: LATER for one in found.awake})
    judged = []
    store.tasks.judged = lambda entry: judged.append(entry)  # type: ignore[method-assign]
    found = read(store)
    assert (len(found.by_id), judged) == (1000, [])
