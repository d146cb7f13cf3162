"""The store of the prior system, taken over: once, whole, and told where not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import prior_files as files
import pytest

SECRET = "hunter2"  # pragma: allowlist secret
LOST = "11111111-2222-4333-8444-555555555555"
SETTINGS = {"mock_mode": True, "unmask_env_vars": True, "max_concurrent_tasks": 7, "theme": "dark"}
KINDS = ("profiles", "jobs", "tasks", "runs")


@pytest.fixture
def ccs(quick):
    return quick


def store(**changes):
    """Its five files, as it wrote them."""
    static = {"name": "KEY", "source": "static", "value": SECRET, "config": None}
    found = {
        "jobs": [files.job(profile=files.PROFILE)],
        "tasks": [
            files.task(),
            files.task(id=files.OTHER, job_id=None, name="alone", enabled=False),
        ],
        "runs": [files.run(), files.run(id=LOST, status="running", end_time=None)],
        "profiles": [files.profile(env_vars=[static])],
        "settings": SETTINGS,
    }
    return {**found, **changes}


def lay(ccs, place="home/.config/claude-code-scheduler", **changes):
    """Returns the directory."""
    written = {
        f"{place}/{name}.json": content
        if isinstance(content, str)
        else json.dumps(content, indent=2)
        for name, content in store(**changes).items()
        if content is not None
    }
    ccs.files(written)
    return ccs.root / place


def originals(directory):
    return {path.name: path.read_bytes() for path in directory.glob("*.json")}


def history(ccs):
    lines = [path.read_text().splitlines() for path in (ccs.store / "history").glob("*.jsonl")]
    return {one["id"]: one for month in lines for one in map(json.loads, month)}


def test_jobs_tasks_profiles_and_runs_come_once_and_the_originals_stay(ccs):
    directory = lay(ccs)
    before, untouched = originals(directory), ccs.snapshot()
    shown = ccs.ok("import-store", "--dry-run")
    assert [len(shown.json[kind]) for kind in KINDS] == [1, 1, 2, 2]
    assert ccs.snapshot() == untouched
    done = ccs.ok("import-store")
    assert done.json | {"dry_run": True} == shown.json
    assert done.json["from"] == [str(directory)]
    (job,), (profile,) = ccs.saved("jobs"), ccs.saved("profiles")
    task, alone = ccs.saved("tasks")
    assert (job["id"], job["profile"], job["task_order"]) == (
        files.JOB,
        files.PROFILE,
        [files.TASK],
    )
    assert job["working_directory"]["path"] == str(ccs.home / "code/app")
    assert (task["id"], task["job_id"], task["enabled"]) == (files.TASK, files.JOB, False)
    assert (alone["working_directory"], alone["enabled"]) == (str(ccs.home / "projects"), False)
    assert profile["env_vars"][0]["value"] == SECRET and SECRET not in done.out + done.err
    runs = history(ccs)
    assert (runs[files.RUN]["status"], runs[LOST]["status"]) == ("success", "lost")
    assert runs[LOST]["reason"] == "crash" and "raw_output" not in runs[files.RUN]
    assert ccs.ok("runs", "get", files.RUN[:8]).json["duration"] == 1.907727
    assert originals(directory) == before
    after = ccs.snapshot()
    again = ccs.ok("import-store")
    assert [again.json[kind] for kind in KINDS] == [[]] * 4 and again.json["here_already"] == 6
    assert ccs.snapshot() == after
    ccs.ok("tasks", "enable", files.TASK)
    assert ccs.ok("tick").code == 0


def test_what_could_not_be_carried_is_told_by_record_and_field(ccs):
    lay(
        ccs,
        tasks=[
            files.task(last_session_id=LOST, colour="red", profile=LOST),
            files.task(id=files.OTHER, name="of none", job_id=LOST),
            files.task(id=LOST, name="bad", schedule=files.schedule("never")),
            "no record",
        ],
    )
    done = ccs("import-store")
    assert done.code == 1
    notes = {(one["record"], one["words"].partition(":")[0]) for one in done.json["notes"]}
    assert {
        ("task 'T1'", "last_session_id"),
        ("task 'T1'", "colour"),
        ("task 'T1'", f"profile {LOST} is not there; runs fail until it is"),
        ("settings", "mock_mode"),
        ("settings", "unmask_env_vars"),
        ("settings", "max_concurrent_tasks"),
    } <= notes
    lost = {one["record"]: one["words"] for one in done.json["notes"] if one["left_out"]}
    assert lost.keys() == {"task 'of none'", "task 'bad'", "tasks"}
    assert "schedule_type" in lost["task 'bad'"]
    assert "runs: 34 characters of output stay" in done.err
    assert [one["id"] for one in ccs.saved("tasks")] == [files.TASK]
    assert ccs.ok("debug", "all").code == 0


def test_the_settings_of_the_prior_system_mock_nothing_here(ccs):
    lay(ccs)
    ccs.files({"store/settings.json": '{"format": 1}'})
    ccs.ok("import-store")
    assert (ccs.store / "settings.json").read_text() == '{"format": 1}'


def test_only_what_was_enabled_is_enabled_and_only_when_that_is_said(ccs):
    lay(ccs)
    before = ccs.snapshot()
    refused = ccs("import-store", "--enable")
    assert (refused.code, "Enable 1 task?" in refused.err) == (2, True)
    assert ccs.snapshot() == before
    ccs.ok("import-store", "--enable", "--yes")
    assert [one["enabled"] for one in ccs.saved("tasks")] == [True, False]


def test_both_places_are_looked_into_and_one_may_be_named(ccs):
    lay(ccs, tasks=[files.task()], runs=[])
    second = files.task(id=files.OTHER, job_id=None)
    lay(ccs, "home/.claude-scheduler", jobs=[], tasks=[second, files.task()], profiles=[], runs=[])
    done = ccs("import-store")
    assert len(done.json["from"]) == 2
    assert {one["id"] for one in ccs.saved("tasks")} == {files.TASK, files.OTHER}
    elsewhere = lay(ccs, "elsewhere", jobs=[], tasks=[], profiles=[], settings=None)
    assert len(ccs.ok("import-store", str(elsewhere)).json["runs"]) == 2


def test_where_there_is_nothing_it_says_where_it_looked(ccs):
    refused = ccs("import-store", "-o", "json")
    assert (refused.code, ".config/claude-code-scheduler" in refused.error["message"]) == (3, True)
    # A store of ccs is none of the prior system, be it this one or another.
    ccs.task("x")
    other = ccs.root / "other"
    other.mkdir(mode=0o700)
    for name in ("tasks", "settings"):
        (other / f"{name}.json").write_bytes((ccs.store / f"{name}.json").read_bytes())
        (other / f"{name}.json").chmod(0o600)
    before = ccs.snapshot()
    for path in (ccs.store, other):
        assert ccs("import-store", str(path)).code == 3
    assert ccs.snapshot() == before


def test_files_in_the_store_itself_are_converted_in_their_place(ccs):
    directory = lay(ccs, "store")
    before = originals(directory)
    broken = ccs("tasks", "list")
    assert "active_since" in broken.err
    done = ccs.ok("import-store", str(directory))
    assert "kept as they were in *.json.format-0" in done.err
    for kind in ("jobs", "tasks", "profiles", "runs"):
        kept = directory / f"{kind}.json.format-0"
        assert kept.read_bytes() == before[f"{kind}.json"]
        assert json.loads((directory / f"{kind}.json").read_text())["format"] == 1
    assert ccs.ok("tasks", "list").err == ""
    assert [one["enabled"] for one in ccs.saved("tasks")] == [False, False]
    assert (ccs.saved("runs"), history(ccs).keys()) == ([], {files.RUN, LOST})
    after = ccs.snapshot()
    assert ccs("import-store", str(directory)).code == 3
    assert ccs.snapshot() == after


def test_its_records_among_ours_are_converted_and_a_broken_one_of_ours_is_left(ccs):
    lay(ccs, "store", jobs=None, runs=None, profiles=None, settings={"format": 1})
    mine = ccs.task("mine")  # the first write keeps what it does not understand
    tasks = ccs.saved("tasks")
    next(one for one in tasks if one["id"] == mine)["timeout"] = "never"
    ccs.save("tasks", *tasks)
    done = ccs("import-store", str(ccs.store))
    assert done.json["tasks"] == [files.OTHER]  # the other one has a job that is not there
    found = {one["id"]: one for one in ccs.saved("tasks")}
    assert found[mine] == next(one for one in tasks if one["id"] == mine)
    assert found[files.TASK] == next(one for one in tasks if one["id"] == files.TASK)
    assert found[files.OTHER]["enabled"] is False


def test_a_torn_file_of_runs_costs_the_runs_and_any_other_is_refused(ccs):
    directory = lay(ccs, runs='[{"id": "9f77')
    done = ccs("import-store")
    assert (done.code, len(ccs.saved("tasks")), "left out: runs: " in done.err) == (1, 2, True)
    (directory / "jobs.json").write_text("[{")
    before = ccs.snapshot()
    assert ccs("import-store").code == 6
    assert ccs.snapshot() == before


def test_it_is_said_when_the_default_profile_would_be_used(ccs):
    lay(ccs)
    profile = ccs.ok("profiles", "create", "--name", "mine", "-q").out.strip()
    ccs.settings(mock_mode=True, default_profile=profile)
    assert "runs with the default one here, 'mine'" in ccs.ok("import-store", "--dry-run").err


def test_one_record_in_both_places_is_no_loss_but_another_of_its_id_is(ccs):
    lay(ccs)
    second = lay(ccs, "home/.claude-scheduler")
    ccs.ok("import-store", "--dry-run")
    (second / "tasks.json").write_text(json.dumps([files.task(name="other")]))
    done = ccs("import-store")
    assert (done.code, "task 'other': another has its id" in done.err) == (1, True)


def test_a_directory_that_others_can_write_is_not_trusted(ccs):
    directory = lay(ccs)
    directory.chmod(0o777)
    refused = ccs("import-store", "-o", "json")
    assert (refused.code, "chmod go-w" in refused.error["hint"]) == (6, True)
    directory.chmod(0o755)
    for path in directory.glob("*.json"):
        path.chmod(0o644)
    ccs.ok("import-store")


def test_a_task_that_watches_the_store_comes_as_one_that_waits_to_be_asked(ccs):
    watch = files.schedule("file_watch", watch_directory=str(ccs.root))
    lay(ccs, tasks=[files.task(schedule=watch)])
    done = ccs.ok("import-store")
    assert "holds the store" in done.err
    assert ccs.saved("tasks")[0]["schedule"]["schedule_type"] == "manual"


KILLED = """
import os, signal, sys
from ccs.store import atomic, records
count = int(sys.argv.pop(1))
def dying(inner):
    def call(*words, **more):
        global count
        count -= 1
        if count < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*words, **more)
    return call
records.Records.replace = dying(records.Records.replace)
atomic.append = dying(atomic.append)
from ccs.cli.main import main
sys.argv[0] = "ccs"
main()
"""


@pytest.mark.parametrize("place", ["home/.config/claude-code-scheduler", "store"])
def test_what_a_killed_take_over_left_out_the_next_one_brings(ccs, place):
    whole, writes = None, 0
    directory = lay(ccs, place)
    pristine = ccs.snapshot()
    while True:
        for path in sorted(ccs.store.rglob("*"), reverse=True):
            if path.is_file() and path.parent.name != "locks":
                path.unlink()
        for name, raw in pristine.items():
            (ccs.store / name).write_bytes(raw)
            (ccs.store / name).chmod(0o600)
        words = [sys.executable, "-P", "-c", KILLED, str(writes), "import-store", str(directory)]
        done = subprocess.run(words, cwd=ccs.work, env=ccs.env, capture_output=True, check=False)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert ccs("import-store", str(directory)).code in (0, 3)
        found = [timeless(ccs.saved(kind)) for kind in ("jobs", "tasks", "profiles", "runs")]
        found.append(timeless(history(ccs).values()))
        assert whole in (None, found)
        whole = found
        writes += 1
    assert writes >= 4
    assert [len(one) for one in whole] == [1, 2, 1, 0, 2]
    assert whole[0][0]["task_order"] == [files.TASK]


def timeless(records):
    moments = dict.fromkeys(("active_since", "disabled_why"))
    return sorted(({**one, **moments} for one in records), key=lambda one: one["id"])


def test_a_secret_in_the_errors_of_a_run_is_not_kept(ccs):
    token = "gh" + "p_" + "a1B2" * 9
    lay(ccs, runs=[files.run(status="failed", errors=f"no access with {token}")])
    done = ccs.ok("import-store")
    assert history(ccs)[files.RUN]["message"] == "no access with ********"
    assert token not in done.out + done.err


def test_of_its_settings_it_is_told_how_to_have_them_here_and_only_where_they_do_not_count(ccs):
    directory = lay(ccs, settings={"max_concurrent_tasks": 7, "claude_cli_path": "/opt/my claude"})
    err = ccs.ok("import-store", "--dry-run").err
    assert "ccs settings set max_concurrent_tasks '7'" in err
    assert "ccs settings set claude_path '/opt/my claude'" in err
    for path in directory.glob("*.json"):
        path.rename(ccs.store / path.name)
    err = ccs.ok("import-store", str(ccs.store), "--dry-run").err
    assert "max_concurrent_tasks" not in err and "claude_path" in err
    assert ccs.ok("settings", "get", "max_concurrent_tasks").json["value"] == 7


def test_what_stays_here_and_differs_is_told_where_it_matters_to_what_comes(ccs):
    directory = lay(ccs)
    ccs.ok("import-store")
    tasks = store()["tasks"]
    third = "0b1f7a51-9f55-4b0e-9c57-3d0c1f2e4a5c"
    tasks.append(files.task(id=third, name="later"))
    (directory / "tasks.json").write_text(json.dumps(tasks))
    later = files.job(profile=files.PROFILE, task_order=[files.TASK, third])
    (directory / "jobs.json").write_text(json.dumps([later]))
    assert "differ" not in ccs.ok("import-store", "--dry-run").err
    ccs.ok("profiles", "update", files.PROFILE, "--env", "KEY=another")
    err = ccs.ok("import-store").err
    assert "note: profile 'S': its variables differ" in err and SECRET not in err
    assert "task 'later': its job is here already and runs it in no order: ccs jobs set-o" in err
    assert ccs.saved("jobs")[0]["task_order"] == [files.TASK]
    assert "set-order" not in ccs.ok("import-store").err


def test_of_a_torn_file_elsewhere_it_is_not_said_that_the_doctor_could_mend_it(ccs):
    directory = lay(ccs)
    (directory / "jobs.json").write_text("[{")
    refused = ccs("import-store", "-o", "json")
    assert (refused.code, "doctor" in refused.error["hint"]) == (6, False)


def test_a_name_with_escapes_is_cleaned(ccs):
    lay(ccs, tasks=[files.task(name="a\x1b[2J\tb")])
    done = ccs.ok("import-store")
    assert "its control characters were left out" in done.err
    assert ccs.saved("tasks")[0]["name"] == "a b"
