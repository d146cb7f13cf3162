from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from store_records import an_id, python, run_entry

from ccs.store import atomic
from ccs.store.history import History


@pytest.fixture
def history(tmp_path):
    directory = tmp_path / "history"
    directory.mkdir(mode=0o700)
    return History(str(directory))


def in_month(month, *numbers):
    return [
        run_entry(number, scheduled_time=f"{month}-10T{number % 24:02}:00:00.000Z")
        for number in numbers
    ]


def file(history, name):
    return Path(history.directory, name)


def bucket(history, number):
    return Path(history.index, an_id(number)[:2])


def known(history, numbers):
    return [number for number in numbers if history.knows(an_id(number))]


def counted(use, *words):
    """The answer, and how many bytes this process read for it, by the kernel's count."""
    counts = Path("/proc/self/io")
    if not counts.exists():
        pytest.skip("this system does not count what a process reads")

    def so_far():
        return int(counts.read_text().split()[1])

    counting = -so_far() + so_far()
    before = so_far()
    answer = use(*words)
    return answer, so_far() - before - counting


# What it remembers -------------------------------------------------------------------


def test_an_empty_history_knows_nothing(history):
    assert not history.knows(an_id(1))
    assert history.get(an_id(1)) is None
    assert list(history.newest_first()) == []
    assert list(History(history.directory + "/missing").newest_first()) == []


def test_an_appended_run_is_known_and_given_back_whole(history):
    run = run_entry(1, message="ünï \ud800 \n", later={"kept": [1]})
    history.append([run])
    assert history.knows(an_id(1))
    assert history.get(an_id(1)) == run
    assert list(history.newest_first()) == [run]


def test_runs_lie_in_the_month_of_their_slot(history):
    history.append([*in_month("2026-11", 1), *in_month("2026-12", 2), *in_month("2025-01", 3)])
    assert history.months() == ["2025-01", "2026-11", "2026-12"]


def test_newest_first_is_by_slot_over_all_months(history):
    history.append(in_month("2026-11", 3, 1, 2))
    history.append(in_month("2026-12", 4))
    history.append(in_month("2026-11", 5))
    assert [one["id"] for one in history.newest_first()] == [an_id(n) for n in (4, 5, 3, 2, 1)]


def test_doubles_are_dropped(history):
    history.append(in_month("2026-11", 1, 2))
    history.append(in_month("2026-11", 2, 3))
    assert [one["id"] for one in history.newest_first()] == [an_id(n) for n in (3, 2, 1)]
    assert history.get(an_id(2))["id"] == an_id(2)


def test_a_buried_run_stays_known_and_is_given_back_no_more(history):
    history.append(in_month("2026-11", 1, 2))
    history.bury(in_month("2026-11", 1))
    assert history.knows(an_id(1))
    assert history.get(an_id(1)) is None
    assert [one["id"] for one in history.newest_first()] == [an_id(2)]
    stone = json.loads(file(history, "2026-11.jsonl").read_text().splitlines()[-1])
    assert set(stone) == {"id", "deleted", "task_id", "scheduled_time"}


def test_a_run_that_was_never_archived_can_be_buried(history):
    history.bury(in_month("2026-11", 1))
    assert history.knows(an_id(1))
    assert history.get(an_id(1)) is None


def test_what_is_appended_after_its_burial_stays_buried(history):
    history.bury(in_month("2026-11", 1))
    history.append(in_month("2026-11", 1))
    assert history.get(an_id(1)) is None
    assert list(history.newest_first()) == []


def test_only_a_whole_id_is_known(history):
    history.append(in_month("2026-11", 1))
    for part in (an_id(1)[:-1], an_id(1)[:8], an_id(1) + "0", an_id(1).upper()):
        assert not history.knows(part)
        assert history.get(part) is None
    assert [one["id"] for one in history.lines(an_id(1)[:4])] == [an_id(1)]


# Files that were torn, edited or made by an enemy -------------------------------------------


def test_torn_and_foreign_lines_are_passed_over(history):
    history.append(in_month("2026-11", 1))
    with file(history, "2026-11.jsonl").open("ab") as month:
        month.write(b'17\n[]\n\xff\n{"id": "x"}\n{"id": 5, "scheduled_time": "2026"}\n')
        month.write(b"[" * 100_000 + b"\n" + b'{"id": "cut')
    assert known(history, [1]) == [1]
    history.append(in_month("2026-11", 2))
    assert known(history, [1, 2]) == [1, 2]
    assert len(list(history.newest_first())) == 2


def test_an_append_that_ran_out_of_room_is_made_good_by_the_next(history, at_most):
    history.append(in_month("2026-11", 1))
    size = file(history, "2026-11.jsonl").stat().st_size
    with at_most(size + 300), pytest.raises(OSError):
        history.append(in_month("2026-11", 2, 3))
    history.append(in_month("2026-11", 2, 3))
    assert known(history, range(5)) == [1, 2, 3]
    assert len(list(history.newest_first())) == 3


def test_the_last_full_disk_leaves_what_was_known(small_disk, fill):
    history = History(str(small_disk))
    history.append(in_month("2026-11", *range(20)))
    ballast = fill(small_disk)
    with pytest.raises(OSError):
        history.append(in_month("2026-11", *range(20, 200)))
    assert set(range(20)) <= set(known(history, range(20)))
    ballast.unlink()
    history.append(in_month("2026-11", *range(20, 200)))
    assert known(history, range(200)) == list(range(200))


@pytest.mark.parametrize(
    "slot",
    [
        "../../x",
        "/etc/x",
        "..",
        "",
        "2026/11",
        "\0\0\0\0-\0\0",
        "²026-11",
        "٢٠٢٦-١١",
        "-202611",
        "2026-11/../../x",
        "1e99-00",
        1700000000,
        None,
    ],
)
def test_a_hostile_slot_stays_inside_and_its_run_known(history, slot):
    outside = sorted(os.listdir(os.path.dirname(history.directory)))
    history.append([run_entry(1, scheduled_time=slot)])
    assert sorted(os.listdir(os.path.dirname(history.directory))) == outside
    names = sorted(os.listdir(history.directory))
    assert names[0] in ("0000-00.jsonl", "2026-11.jsonl") and names[1:] == ["index"]
    if isinstance(slot, str):
        assert known(history, [1]) == [1]


@pytest.mark.parametrize(
    "reference", ["..", "../../etc/passwd", "/etc/passwd", "\0\0\0\0", "", "a"]
)
def test_a_hostile_reference_finds_nothing(history, reference):
    history.append(in_month("2026-11", *range(50)))
    assert list(history.lines(reference)) == []
    assert history.get(reference) is None
    assert not history.knows(reference)


def test_a_hostile_id_in_a_month_makes_no_file(history):
    line = json.dumps({"id": "../../evil", "scheduled_time": "2026-11"}) + "\n"
    file(history, "2026-11.jsonl").write_text(line)
    history.append(in_month("2026-11", 1))
    assert sorted(os.listdir(history.index)) == sorted(["covered", an_id(1)[:2]])
    assert known(history, [1]) == [1]


# The index is a cache -----------------------------------------------------------------------

MANY = range(120)


@pytest.fixture
def full(history):
    history.append(in_month("2026-10", *MANY[:60]))
    history.append(in_month("2026-11", *MANY[60:]))
    return history


def remove_all(history):
    for name in os.listdir(history.index):
        os.unlink(os.path.join(history.index, name))
    os.rmdir(history.index)


def remove_covered(history):
    os.unlink(os.path.join(history.index, "covered"))


def spoil_covered(history):
    Path(history.index, "covered").write_bytes(b"\xff\x00 2026-11\n2026-10 1:2:3\nab x\n" * 3)


def halve_covered(history):
    path = Path(history.index, "covered")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove_buckets(history):
    for name in os.listdir(history.index):
        if name != "covered":
            os.unlink(os.path.join(history.index, name))


def halve_buckets(history):
    for path in Path(history.index).iterdir():
        if path.name != "covered":
            os.truncate(path, path.stat().st_size // 2)


def zero_buckets(history):
    for path in Path(history.index).iterdir():
        if path.name != "covered":
            path.write_bytes(b"\0" * path.stat().st_size)


def garbage_in_buckets(history):
    for path in Path(history.index).iterdir():
        if path.name != "covered":
            with path.open("ab") as torn:
                torn.write(b"%s 2026-11 99999999999999999999999\n" % an_id(1).encode())
                torn.write(b"%s ../../etc/passwd 0\n%s" % ((an_id(1).encode(),) * 2))


def edit_a_month(history):
    """Takes a line out and puts it at the end: same size, same inode, other offsets."""
    path = file(history, "2026-10.jsonl")
    first, *rest = path.read_bytes().splitlines(keepends=True)
    with path.open("r+b") as month:
        month.write(b"".join([*rest, first]))


def insert_a_run_by_hand(history):
    path = file(history, "2026-10.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[40:]) + b"\n" * 9 + b"".join(lines[:40]))


def make_unreadable(history):
    for path in Path(history.index).iterdir():
        path.chmod(0o666)  # what others can write is not believed


SPOILERS = [
    remove_all,
    remove_covered,
    spoil_covered,
    halve_covered,
    remove_buckets,
    halve_buckets,
    zero_buckets,
    garbage_in_buckets,
    edit_a_month,
    insert_a_run_by_hand,
    make_unreadable,
]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_answers_are_right_whatever_became_of_the_index(full, spoil):
    spoil(full)
    assert known(full, MANY[::11]) == list(MANY[::11])
    assert known(full, range(1000, 1005)) == []
    full.append(in_month("2026-11", 120))
    full.bury(in_month("2026-10", 0))
    assert known(full, [*MANY, 120, 121]) == [*MANY, 120]
    assert full.get(an_id(0)) is None
    assert [one["id"] for one in full.lines(an_id(7)[:8])] == [an_id(7)]
    assert len(list(full.newest_first())) == 120


@pytest.mark.parametrize("spoil", SPOILERS)
def test_the_next_append_makes_the_index_whole_again(full, spoil):
    spoil(full)
    full.append(in_month("2026-11", 120))
    total = sum(file(full, f"{month}.jsonl").stat().st_size for month in full.months())
    for number in (*MANY[::11], 120):
        found, read = counted(full.knows, an_id(number))
        assert found and read < total / 2


def test_a_bucket_torn_by_a_full_disk_swallows_no_later_entry(history):
    history.append(in_month("2026-11", 1))
    with bucket(history, 1).open("ab") as torn:
        torn.write(an_id(1)[:20].encode())
    twin = an_id(1)[:2] + an_id(2)[2:]
    history.append([{**run_entry(2), "id": twin}])
    assert history.knows(twin)
    assert history.knows(an_id(1))


def test_without_room_for_the_index_the_runs_are_kept_all_the_same(history):
    history.append(in_month("2026-11", 1))
    os.rename(history.index, history.index + ".away")
    Path(history.index).write_text("no directory can be made here")
    history.append(in_month("2026-11", 2))
    assert known(history, [1, 2, 3]) == [1, 2]


def test_a_lookup_reads_its_bucket_and_its_lines_not_the_history(full):
    full.append(in_month("2026-09", *range(1000, 5000)))
    total = sum(file(full, f"{month}.jsonl").stat().st_size for month in full.months())
    assert total > 700_000
    for number in (5, 100, 3456):
        found, read = counted(full.get, an_id(number))
        assert found["id"] == an_id(number) and read < 50_000
    found, read = counted(full.knows, an_id(9999))
    assert not found and read < 20_000


WRITER = """
import json, sys
from ccs.store.history import History
history = History(sys.argv[1])
for run in json.loads(sys.argv[2]):
    history.append([run])
"""


def test_two_processes_that_append_at_once_hide_nothing_from_each_other(history):
    """The store lock keeps them apart; even without it every run has to be found."""
    halves = [in_month("2026-11", *range(start, 80, 2)) for start in (0, 1)]
    writers = [python(WRITER, history.directory, json.dumps(half)) for half in halves]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert known(history, range(80)) == list(range(80))
    history.append(in_month("2026-11", 80))
    assert known(history, range(81)) == list(range(81))


def test_a_reader_between_append_and_index_finds_the_run(full, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(History, "_extend_index", lambda *_: None)
        full.append(in_month("2026-10", 400))
    assert known(full, [0, 400]) == [0, 400]
    full.append(in_month("2026-11", 401))
    assert known(full, [0, 400, 401]) == [0, 400, 401]
    assert counted(full.knows, an_id(400))[1] < 15_000


def test_everything_is_private(full):
    for place, _, names in os.walk(full.directory):
        for name in names:
            assert os.stat(os.path.join(place, name)).st_mode & 0o777 == 0o600
    assert os.stat(full.index).st_mode & 0o777 == 0o700
    assert atomic.read(os.path.join(full.index, "covered")) is not None
