from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from store_records import an_id, document, run, run_entry, task

from ccs.errors import Ambiguous, BrokenStore, LockTimeout, NotFound
from ccs.model.settings import Settings
from ccs.store import lock
from ccs.store.home import Home
from ccs.store.store import BATCH, Store

KEPT = 10
ENOUGH = KEPT + BATCH  # so many finished runs are there before some leave


@pytest.fixture
def store(tmp_path):
    store = Store(Home(str(tmp_path / "store")))
    store.home.create()
    return store


def write(store, *entries):
    path = Path(store.home.collection("runs"))
    path.write_text(document("runs", *entries))
    path.chmod(0o600)


def recent(store):
    return [one["id"] for one in store.runs.file.read().records]


def archived(store):
    return [one["id"] for one in store.history.newest_first()]


def ids(numbers):
    return [an_id(number) for number in numbers]


# The store lock -------------------------------------------------------------------------


def test_the_store_lock_excludes_and_names_its_holder(store, holding, monkeypatch):
    with store.locked("ccs tick"):
        assert not lock.is_free(store.home.store_lock)
    assert lock.is_free(store.home.store_lock)
    holder = holding(store.home.store_lock, command="ccs jobs create")
    monkeypatch.setattr("ccs.store.store.STORE_TIMEOUT", 0)
    with pytest.raises(LockTimeout, match=f"pid {holder.pid} .ccs jobs create."), store.locked():
        pass


def test_locking_makes_the_store_and_releases_it_after_an_error(tmp_path):
    store = Store(Home(str(tmp_path / "new")))
    with pytest.raises(KeyError), store.locked():
        raise KeyError
    assert lock.is_free(store.home.store_lock)


# Archiving --------------------------------------------------------------------------------


def test_the_newest_stay_and_the_rest_moves_whole(store):
    write(store, *(run_entry(number, later={"n": number}) for number in range(ENOUGH + 5)))
    store.archive(KEPT)
    assert recent(store) == ids(range(BATCH + 5, ENOUGH + 5))
    assert archived(store) == ids(reversed(range(BATCH + 5)))
    moved = store.get_run(an_id(3))
    assert moved == run(3, later={"n": 3})


def test_runs_leave_in_batches(store):
    write(store, *(run_entry(number) for number in range(ENOUGH - 1)))
    before = Path(store.home.collection("runs")).stat().st_mtime_ns
    store.archive(KEPT)
    assert Path(store.home.collection("runs")).stat().st_mtime_ns == before
    assert archived(store) == []


def test_the_newest_are_told_by_slot_not_by_place_or_spelling(store):
    entries = [run_entry(number) for number in range(ENOUGH)]
    entries[0]["scheduled_time"] = "2027-01-01T00:00:00+05:00"
    entries[1]["scheduled_time"] = 1_800_000_000
    entries[2]["id"] = entries[2]["id"].upper()
    write(store, *reversed(entries))
    store.archive(KEPT - 2)
    assert set(ids([0, 1])) <= set(recent(store)) and len(recent(store)) == KEPT - 2
    assert store.knows_run(an_id(2)) and store.get_run(an_id(2)).task_id == an_id(-1)


def test_a_run_with_a_slot_in_seconds_is_still_known_after_it_moved(store):
    write(store, *(run_entry(n, scheduled_time=1_700_000_000 + n) for n in range(ENOUGH)))
    store.archive(KEPT)
    assert all(store.knows_run(an_id(number)) for number in range(ENOUGH))
    assert len(archived(store)) == BATCH


def test_failures_since_a_task_s_last_success_stay_for_its_breaker(store):
    """However rarely it runs beside busy ones."""
    seldom = {"task_id": an_id(-9), "end_time": "2026-11-20T10:00:00.000Z"}
    states = ["failed", "success", "failed", "lost", "failed"]
    mine = [
        run_entry(n, status=state, **{**seldom, "end_time": f"2026-11-2{n}T10:00:00.000Z"})
        for n, state in enumerate(states)
    ]
    write(store, *mine, *(run_entry(number) for number in range(5, ENOUGH + 10)))
    store.archive(KEPT)
    kept = [number for number in range(5) if an_id(number) in recent(store)]
    assert kept == [2, 3, 4]


def test_unfinished_runs_never_move(store):
    waiting = [run_entry(n, status=s) for n, s in ((0, "upcoming"), (1, "running"))]
    write(store, *waiting, *(run_entry(number) for number in range(2, ENOUGH + 2)))
    store.archive(KEPT)
    assert recent(store)[:2] == ids([0, 1])
    assert len(archived(store)) == BATCH


def test_what_an_unfinished_run_refers_to_stays(store):
    job_run = an_id(7777)
    entries = [run_entry(number) for number in range(ENOUGH + 5)]
    entries[0]["job_run"] = entries[1]["job_run"] = job_run
    waiting = [
        run_entry(9000, status="upcoming", resumed_from=an_id(2), trigger="resume"),
        run_entry(9001, status="upcoming", retry_of=an_id(3).upper(), trigger="retry"),
        run_entry(9002, status="running", job_run=job_run, trigger="job"),
    ]
    write(store, *entries, *waiting)
    store.archive(KEPT)
    assert recent(store)[:4] == ids([0, 1, 2, 3])
    assert an_id(4) in archived(store)


def test_many_referred_runs_do_not_make_every_tick_archive(store):
    waiting = [run_entry(1000 + n, status="upcoming", retry_of=an_id(n)) for n in range(ENOUGH)]
    write(store, *(run_entry(number) for number in range(ENOUGH)), *waiting)
    before = Path(store.home.collection("runs")).stat().st_mtime_ns
    store.archive(KEPT)
    assert Path(store.home.collection("runs")).stat().st_mtime_ns == before


def test_bad_records_stay_and_stop_nothing(store):
    bad = [
        run_entry(5000, status="succes"),
        {"id": an_id(5001), "status": "running", "job_run": [], "retry_of": {}},
        {"id": "?", "job_run": {}},
        17,
    ]
    write(store, *bad, *(run_entry(number) for number in range(ENOUGH)))
    store.archive(KEPT)
    assert len(archived(store)) == BATCH
    listed = json.loads(Path(store.home.collection("runs")).read_text())["runs"]
    assert [one for one in bad if one in listed] == bad


def test_the_double_of_a_run_does_not_come_to_life_when_the_run_is_archived(store):
    double = run_entry(0, status="upcoming")
    write(store, *(run_entry(number) for number in range(ENOUGH + 5)), double)
    store.archive(KEPT)
    assert store.runs.get(an_id(0)).status == "success"
    assert not [one for one in store.runs.all() if one.unfinished]


def test_keeping_none_moves_all(store):
    write(store, *(run_entry(number) for number in range(BATCH + 1)))
    store.archive(0)
    assert recent(store) == []
    assert len(archived(store)) == BATCH + 1


def test_between_the_append_and_the_rewrite_a_run_is_given_once(store, monkeypatch):
    write(store, *(run_entry(number) for number in range(ENOUGH)))

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(store.runs.file, "write", dies)
        with pytest.raises(KeyboardInterrupt):
            store.archive(KEPT)
    everything = ids(reversed(range(ENOUGH)))
    assert [one.id for one in store.every_run()] == everything
    store.archive(KEPT)
    assert [one.id for one in store.every_run()] == everything
    assert len(recent(store)) == KEPT


# Finding ------------------------------------------------------------------------------------


@pytest.fixture
def both(store):
    """Runs 0 to 49 in history, 50 to 59 recent."""
    write(store, *(run_entry(number) for number in range(ENOUGH)))
    store.archive(KEPT)
    assert archived(store) == ids(reversed(range(BATCH)))
    return store


@pytest.mark.parametrize("number", [0, 49, 50, 59])
def test_a_run_is_found_by_id_and_prefix_wherever_it_is(both, number):
    run_id = an_id(number)
    for reference in (run_id, run_id.upper(), f" {run_id[:9]} ", run_id[:7]):
        assert both.find_run(reference).id == run_id
    assert both.get_run(run_id) == run(number)
    assert both.knows_run(run_id)


def test_a_prefix_of_an_archived_and_a_recent_run_is_ambiguous(both):
    twin = an_id(0)[:8] + an_id(50)[8:]
    both.runs.put(run(50, id=twin))
    with pytest.raises(Ambiguous) as caught:
        both.find_run(an_id(0)[:8])
    assert set(caught.value.matches) == {an_id(0), twin}
    assert both.find_run(an_id(0)).id == an_id(0)


@pytest.mark.parametrize(
    "reference", [an_id(99), an_id(0)[:3], "", "../../etc/passwd", "/etc/passwd", "\0\0\0\0"]
)
def test_what_is_no_run_is_not_found(both, reference):
    with pytest.raises(NotFound):
        both.find_run(reference)


def test_every_run_comes_newest_first_without_doubles(both):
    assert [one.id for one in both.every_run()] == ids(reversed(range(ENOUGH)))


def test_a_damaged_archived_run_is_named_when_asked_for_and_stops_no_list(both):
    both.history.append([run_entry(9000, status="succes")])
    assert len(list(both.every_run())) == ENOUGH
    with pytest.raises(BrokenStore, match=f"run {an_id(9000)}: status"):
        both.get_run(an_id(9000))
    assert both.knows_run(an_id(9000))
    assert both.find_run(an_id(0)).id == an_id(0)


def test_a_recent_run_that_cannot_be_read_is_still_known(store):
    write(store, run_entry(1, status="succes"))
    assert store.get_run(an_id(1)) is None
    assert store.knows_run(an_id(1))


# Forgetting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [3, 55])
def test_a_forgotten_run_is_gone_but_its_slot_stays_known(both, number):
    both.forget_runs([both.get_run(an_id(number))])
    assert both.get_run(an_id(number)) is None
    assert both.knows_run(an_id(number))
    assert an_id(number) not in [one.id for one in both.every_run()]
    with pytest.raises(NotFound):
        both.find_run(an_id(number))
    with pytest.raises(NotFound):
        both.find_run(an_id(number)[:9])


def test_forgetting_is_remembered_before_the_run_goes(both, monkeypatch):
    def dies(*_):
        raise KeyboardInterrupt

    gone = both.get_run(an_id(55))
    with monkeypatch.context() as killed:
        killed.setattr(both.runs, "remove", dies)
        with pytest.raises(KeyboardInterrupt):
            both.forget_runs([gone])
    assert both.knows_run(gone.id)
    both.forget_runs([gone])
    assert both.get_run(gone.id) is None


def test_forgetting_nothing_writes_nothing(both):
    before = os.stat(both.home.collection("runs"))
    both.forget_runs([])
    assert os.stat(both.home.collection("runs")).st_ino == before.st_ino


# Settings ----------------------------------------------------------------------------------------


def settings_file(store, text):
    path = Path(store.home.settings)
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_absent_settings_are_the_defaults(store):
    assert store.read_settings() == (Settings(), None)


def test_settings_are_read_back_with_keys_of_later_versions(store):
    settings_file(store, '{"format": 1, "runs_kept": 77, "later": [1]}')
    store.write_settings(store.settings())
    assert store.settings().runs_kept == 77
    assert json.loads(Path(store.home.settings).read_text())["later"] == [1]


def test_mock_mode_of_the_prior_system_is_not_taken_over(store):
    original = '{"mock_mode": true, "log_level": "INFO"}'
    settings_file(store, original)
    assert store.settings().mock_mode is False
    store.write_settings(store.settings())
    assert Path(store.home.settings + ".format-0").read_text() == original
    assert json.loads(Path(store.home.settings).read_text())["mock_mode"] is False


def test_mock_mode_of_our_own_settings_counts(store):
    settings_file(store, '{"format": 1, "mock_mode": true}')
    assert store.settings().mock_mode is True


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", '{"runs_kept": 0}', '{"runs_kept": NaN}', '{"a": 1, "a": 2}']
)
def test_broken_settings_are_refused_and_left(store, text):
    path = settings_file(store, text)
    for use in (store.settings, lambda: store.write_settings(Settings())):
        with pytest.raises(BrokenStore, match=r"settings\.json"):
            use()
    assert path.read_text() == text


def test_settings_of_a_newer_format_are_read_only(store):
    path = settings_file(store, '{"format": 2, "runs_kept": 77}')
    assert store.settings().runs_kept == 77
    with pytest.raises(BrokenStore, match="later version"):
        store.write_settings(Settings())
    assert path.read_text() == '{"format": 2, "runs_kept": 77}'


def test_everything_written_is_private(both):
    both.tasks.put(task(1))
    both.tasks.put(task(2))
    both.write_settings(Settings())
    with both.locked("ccs test"):
        pass
    for place, directories, names in os.walk(both.home.path):
        modes = {os.stat(os.path.join(place, name)).st_mode & 0o777 for name in names}
        assert modes <= {0o600}
        assert {os.stat(os.path.join(place, d)).st_mode & 0o777 for d in directories} <= {0o700}
