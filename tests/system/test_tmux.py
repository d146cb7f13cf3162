"""Runs in tmux sessions: as any other run, whatever of session, server or supervisor is killed."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from terminal import Terminal

TMUX = shutil.which("tmux")
pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")
IN_TMUX = ("--isolation", "tmux")


class Session:
    """What stands on the private server of one run."""

    def __init__(self, ccs, run_id):
        self.directory = ccs.store / "runs" / run_id
        self.name = f"ccs-{run_id[:8]}"

    def tmux(self, *words):
        return subprocess.run(
            [TMUX, "-S", "tmux", *words],
            cwd=self.directory, env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    def exists(self):
        try:
            return self.tmux("has-session", "-t", f"={self.name}").returncode == 0
        except FileNotFoundError:
            return False

    def shown(self):
        return self.tmux("capture-pane", "-p", "-S", "-").stdout

    def number(self, what):
        return int(self.tmux("display-message", "-p", f"#{{{what}}}").stdout)


def processes_of(run_id):
    """PIDs of tmux servers, supervisors and whatever else names the run in its arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # gone meanwhile
            if run_id.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def name_of(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()


def begun(ccs, prompt, *options, **env):
    """A run of a new task whose client works, and its session."""
    run_id = ccs.start(ccs.task(prompt, *IN_TMUX, *options), **env)
    ccs.running(run_id)
    return run_id, Session(ccs, run_id)


def nothing_left(ccs, run_id):
    ccs.until(lambda: not processes_of(run_id))
    assert ccs.carriers(run_id) == []
    assert not (ccs.store / "runs" / run_id).exists()
    assert [line.split()[0] for line in ccs.launches()] == [run_id]
    return True


def owner(ccs, run_id):
    return json.loads((ccs.store / "runs" / run_id / "owner").read_text())["pid"]


def test_a_run_lives_in_a_session_that_ends_with_it(ccs):
    run_id, session = begun(ccs, "[[mock: tool seconds=300]]")
    assert session.exists()
    supervisor = owner(ccs, run_id)
    assert session.number("pane_pid") == supervisor
    assert parent(supervisor) == session.number("pid")
    pids = ccs.until(lambda: len(found := ccs.carriers(run_id)) >= 2 and found)
    assert [pid for pid in pids if parent(pid) == supervisor], "the client is its child"
    (tool,) = ccs.until(lambda: [pid for pid in ccs.carriers(run_id) if name_of(pid) == "sleep"])
    os.kill(tool, signal.SIGTERM)  # the client goes on to its end
    ended = ccs.ended(run_id)
    assert (ended["status"], ended["exit_code"]) == ("success", 0)
    assert nothing_left(ccs, run_id)
    stream = (ccs.store / f"logs/run_{run_id}.jsonl").read_text().splitlines()
    assert json.loads(stream[-1])["type"] == "result"


def test_what_the_client_is_given_is_what_it_is_given_without_tmux(ccs):
    """Standard descriptors, environment, session; and the check of the task gets the same."""
    client = ccs.root / "client"
    client.write_text(
        "#!/bin/sh\ncat >/dev/null\n"
        'env | sort | grep -v -e "^CCS_RUN_ID=" -e "^_=" >"$SEEN"\n'
        'echo "tty $(tty </dev/tty 2>&1)" >>"$SEEN"; pwd >>"$SEEN"; exit 3\n'
    )
    client.chmod(0o755)
    ccs.settings(claude_path=str(client))
    seen = []
    for isolation in ("none", "tmux"):
        path = ccs.root / isolation
        ambient = {"SEEN": str(path), "XDG_RUNTIME_DIR": "/run/x", "ODD": "a\nb\udcff"}
        run_id = ccs.start(ccs.task("x", "--isolation", isolation), **ambient)
        assert ccs.ended(run_id)["exit_code"] == 3
        seen.append(path.read_bytes().replace(str(path).encode(), b""))
    assert seen[0] == seen[1]
    assert b"TMUX" not in seen[1]
    assert b"XDG_RUNTIME_DIR=/run/x" in seen[1]


def test_attach_shows_the_log_on_a_terminal_and_keys_do_nothing(ccs):
    run_id, session = begun(ccs, "[[mock: slow seconds=300]]")
    terminal = Terminal(ccs, "runs", "attach", run_id[:8], TMUX="/elsewhere,1,0")
    terminal.until("Ctrl-B D leaves it")
    terminal.until("s to go")
    terminal.answer("\x03\x1a\x13\x1c")  # Ctrl-C, Ctrl-Z, Ctrl-S, Ctrl-\
    session.tmux("send-keys", "C-c", "C-z", "C-s", "C-\\", "q", "Enter")  # even of one who may type
    before = session.shown()
    ccs.until(lambda: session.shown() != before)
    assert ccs.run(run_id)["status"] == "running"
    assert "^C" not in session.shown()
    terminal.answer("\x02d")  # Ctrl-B D
    assert terminal.end() == 0
    assert ccs.run(run_id)["status"] == "running"
    ccs.ok("runs", "stop", run_id)
    assert nothing_left(ccs, run_id)


def test_attach_says_why_there_is_nothing_to_join(ccs):
    task = ccs.task("[[mock: slow seconds=300]]", *IN_TMUX, "--overlap", "queue")
    plain = ccs.start(ccs.task("[[mock: slow seconds=300]]"))
    ccs.running(plain)
    refused = ccs("runs", "attach", plain)
    assert (refused.code, f"ccs runs log -f {plain[:8]}" in refused.err) == (4, True)
    run_id = ccs.start(task)
    ccs.running(run_id)
    waiting = ccs.start(task)
    refused = ccs("runs", "attach", waiting)
    assert (refused.code, "waits (overlap)" in refused.err) == (4, True)
    refused = ccs("runs", "attach", run_id)
    assert (refused.code, "needs a terminal" in refused.err) == (2, True)
    assert f"attach-session -r -t =ccs-{run_id[:8]}" in refused.err
    bare = ccs.root / "bare"
    bare.mkdir()
    refused = ccs("runs", "attach", run_id, PATH=str(bare))
    assert (refused.code, "tmux was not found" in refused.err) == (8, True)
    ccs.ok("runs", "stop", run_id)
    refused = ccs("runs", "attach", run_id)
    assert refused.code == 4
    assert "has ended" in refused.err
    assert f"ccs runs log {run_id[:8]}" in refused.err
    assert f"ccs runs open {run_id[:8]}" in refused.err
    assert ccs("runs", "attach", "nobody").code == 3


@pytest.mark.parametrize("kind", ["tool seconds=300", "stubborn"])
def test_stop_ends_the_tree_and_the_session(ccs, kind):
    run_id, session = begun(ccs, f"[[mock: {kind}]]")
    stopped = ccs.ok("runs", "stop", run_id, "-o", "json").json
    assert (stopped["status"], stopped["reason"]) == ("cancelled", "stopped")
    assert nothing_left(ccs, run_id)
    assert not session.exists()


@pytest.mark.parametrize("how", ["kill-session", "kill-server", "kill -9 of the server"])
def test_whoever_kills_the_session_ends_the_run_and_it_says_so(ccs, how):
    run_id, session = begun(ccs, "[[mock: tool seconds=300]]")
    if how.startswith("kill -9"):
        os.kill(session.number("pid"), signal.SIGKILL)
    else:
        assert session.tmux(how).returncode == 0
    ended = ccs.ended(run_id)
    assert (ended["status"], ended["reason"]) == ("lost", "shutdown")
    assert nothing_left(ccs, run_id)
    ccs.ok("tick")
    assert nothing_left(ccs, run_id)


def test_a_killed_supervisor_takes_the_session_along_and_is_reaped_once(ccs):
    run_id, session = begun(ccs, "[[mock: tool seconds=300]]")
    os.kill(owner(ccs, run_id), signal.SIGKILL)
    ccs.until(lambda: not session.exists())
    refused = ccs("runs", "attach", run_id)
    assert (refused.code, "is gone" in refused.err) == (4, True)
    ccs.until(lambda: ccs("tick") and ccs.run(run_id)["status"] == "lost")
    assert ccs.run(run_id)["reason"] == "crash"
    assert nothing_left(ccs, run_id)


def test_a_client_that_is_killed_ends_run_and_session(ccs):
    run_id, _ = begun(ccs, "[[mock: slow seconds=300]]")
    (client,) = ccs.carriers(run_id)
    os.kill(client, signal.SIGKILL)
    ended = ccs.ended(run_id)
    assert (ended["status"], ended["reason"]) == ("failed", "killed")
    assert nothing_left(ccs, run_id)


def test_a_server_that_stands_still_holds_up_nothing(ccs):
    run_id, session = begun(ccs, "[[mock: slow seconds=300]]")
    server = session.number("pid")
    os.kill(server, signal.SIGSTOP)
    try:
        log = ccs.store / f"logs/run_{run_id}.log"
        with log.open("a") as file:  # far more than a terminal takes when nobody reads it
            file.write("x" * 300_000 + "\n")
        before = log.stat().st_size
        ccs.until(lambda: log.stat().st_size > before)
        assert ccs.ok("runs", "stop", run_id, "-o", "json").json["status"] == "cancelled"
        assert ccs.carriers(run_id) == []
    finally:
        os.kill(server, signal.SIGCONT)
    assert nothing_left(ccs, run_id)


def test_secrets_are_in_no_argument_and_not_in_the_server(ccs):
    ccs.files({"secret": "from-a-file-9f8e7d"})
    secrets = ("from-a-file-9f8e7d", "ambient-5c4b3a", "static-1a2b3c")
    ccs.ok(
        "profiles", "create", "--name", "p",
        "--env-from", f"FILED=file:{ccs.root}/secret", "--env-from", "AMBIENT=env:AMBIENT",
        "--env", f"STATIC={secrets[2]}",
    )  # fmt: skip
    run_id, session = begun(ccs, "[[mock: slow seconds=300]]", "--profile", "p", AMBIENT=secrets[1])
    (client,) = ccs.carriers(run_id)
    given = Path(f"/proc/{client}/environ").read_text()
    assert [one for one in secrets if one not in given] == [], "the client has them"
    server = session.number("pid")
    told = session.tmux("show-environment", "-g").stdout + session.tmux("show-environment").stdout
    told += Path(f"/proc/{server}/environ").read_text()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # gone meanwhile
            told += path.read_bytes().decode("utf-8", "replace")
    assert "CCS_HOME" in told
    for path in (ccs.store / "runs").rglob("*"):
        if path.is_file():
            told += path.read_bytes().decode("utf-8", "replace")
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert [one for one in secrets if one in told] == []
    ccs.ok("runs", "stop", run_id)


def test_a_hostile_task_a_hostile_tmux_conf_and_a_long_store_change_nothing(ccs):
    ccs.store = ccs.store / ("deep" * 30)
    ccs.env["CCS_HOME"] = str(ccs.store)
    ccs.ok("tasks", "list")
    ccs.files({f"store/{ccs.store.name}/settings.json": '{"format": 1, "mock_mode": true}'})
    (ccs.home / ".tmux.conf").write_text(
        f"set -g remain-on-exit on\nset -g default-command 'touch {ccs.root}/hit'\n"
        f"set-hook -g session-created 'run-shell \"touch {ccs.root}/hit\"'\n"
    )
    name = f"#(touch {ccs.root}/hit);:.=%0 $(touch {ccs.root}/hit)\n\x1b]0;x\x07"
    run_id = ccs.start(ccs.task(f"[[mock: success]] {name}", *IN_TMUX, "--name", name.strip()))
    assert ccs.ended(run_id)["status"] == "success"
    assert nothing_left(ccs, run_id)
    assert not (ccs.root / "hit").exists()


def test_terminal_commands_do_not_reach_the_pane(ccs):
    run_id, session = begun(ccs, "[[mock: slow seconds=300]]")
    with (ccs.store / f"logs/run_{run_id}.log").open("a") as file:
        file.write("\x1b[2J\x1b]0;owned\x07\x1b[31mplain words\x1b[0m\n")
    ccs.until(lambda: "plain words" in session.shown())
    assert f"run {run_id} of task" in session.shown(), "nothing was cleared"
    assert session.tmux("display-message", "-p", "#{pane_title}").stdout.strip() != "owned"
    ccs.ok("runs", "stop", run_id)


def test_a_machine_without_tmux_refuses_the_task(ccs):
    bare = ccs.root / "bare"
    bare.mkdir()
    without = {"PATH": str(bare)}
    task, other = ccs.task("x", *IN_TMUX), ccs.task("x")
    before = ccs.snapshot()
    editor = 'sh -c \'sed -i s/"none"/"tmux"/ "$0"\''
    for words in (
        ("tasks", "create", "--prompt", "x", *IN_TMUX),
        ("tasks", "update", other, *IN_TMUX),
        ("tasks", "duplicate", task),
    ):
        refused = ccs(*words, **without)
        assert refused.code == 8, words
        assert refused.error["code"] == "missing_dependency"
        assert "tmux, which was not found on PATH" in refused.error["message"]
    real = shutil.which("sh"), shutil.which("sed")
    for program in real:
        (bare / Path(program).name).symlink_to(program)
    assert ccs("tasks", "edit", other, EDITOR=editor, **without).code == 8
    assert ccs.snapshot() == before
    assert ccs.ok("tasks", "update", task, "--name", "still can be renamed", **without)
    assert ccs.ok("tasks", "update", task, "--isolation", "none", **without)


def test_a_run_that_finds_no_tmux_any_more_fails_and_says_so(ccs):
    bare = ccs.root / "bare"
    bare.mkdir()
    task = ccs.task("x", *IN_TMUX)
    run = ccs.ended(ccs.start(task, PATH=str(bare)))
    assert (run["status"], run["reason"]) == ("failed", "start_failed")
    assert "tmux, which was not found on PATH" in run["message"]
    # Or finds one that does not work.
    broken = bare / "tmux"
    broken.write_text("#!/bin/sh\necho 'need UTF-8 locale' >&2\nexit 1\n")
    broken.chmod(0o755)
    run = ccs.ended(ccs.start(task, PATH=f"{bare}:{os.environ['PATH']}"))
    assert (run["status"], run["reason"]) == ("failed", "start_failed")
    assert run["message"] == "tmux did not start: need UTF-8 locale"
    assert ccs.launches() == []


def test_ticks_and_supervisors_at_once_start_one_client_in_one_session(ccs):
    ccs.task("[[mock: slow seconds=300]]", *IN_TMUX, "--at", "+1s")
    ccs.until(lambda: ccs("tick", "--verbose").err)
    (run,) = ccs.recorded()
    crowd = [ccs.popen("supervise", run["id"]) for _ in range(6)]
    crowd += [ccs.popen("tick") for _ in range(6)]
    for one in crowd:
        one.communicate(timeout=60)
    ccs.running(run["id"])
    servers = [pid for pid in processes_of(run["id"]) if parent(pid) == 1]
    assert len(servers) == 1
    ccs.ok("runs", "stop", run["id"])
    assert nothing_left(ccs, run["id"])


def test_a_start_that_is_killed_on_its_way_is_made_good_by_a_tick(ccs):
    """tmux itself is replaced by one that ends the supervisor that called it: before a session was
    begun, and just after."""
    real = ccs.root / "real"
    for number, line in enumerate(("kill -9 $PPID", f'"{TMUX}" "$@"; kill -9 $PPID')):
        bin_ = ccs.root / f"bin{number}"
        bin_.mkdir()
        (bin_ / "tmux").write_text(f"#!/bin/sh\n{line}\necho x >>{real}\n")
        (bin_ / "tmux").chmod(0o755)
    task = ccs.task("[[mock: success]]", *IN_TMUX)
    for number in range(2):
        run_id = ccs.start(task, PATH=f"{ccs.root}/bin{number}:{os.environ['PATH']}")
        ccs.until(lambda seen=number: real.exists() and len(real.read_text().split()) > seen)
        ccs.until(lambda one=run_id: not processes_of(one))
        ccs.until(lambda one=run_id: ccs("tick") and ccs.run(one)["status"] == "success")
        assert [line.split()[0] for line in ccs.launches()].count(run_id) == 1


def test_a_session_without_anybody_who_hands_over_starts_nothing(ccs):
    run_id, _ = begun(ccs, "[[mock: slow seconds=300]]")
    ours, theirs = pty.openpty()
    alone = ccs.popen("supervise", run_id, "--in-session", stdin=theirs, stderr=theirs)
    os.close(theirs)
    alone.communicate(timeout=30)
    os.close(ours)
    assert alone.returncode == 0
    assert ccs("supervise").code == ccs("supervise", run_id, "--elsewhere").code == 2
    assert len(ccs.launches()) == 1
    ccs.ok("runs", "stop", run_id)


def test_the_next_step_of_a_job_and_a_job_s_worktree_work_in_tmux(ccs):
    repo = ccs.root / "repo"
    subprocess.run(
        ["sh", "-c", f"git init -q -b main {repo} && cd {repo} && git -c user.name=a "
         "-c user.email=a@b commit -q --allow-empty -m one"], check=True, env=ccs.env,
    )  # fmt: skip
    job = ccs.ok(
        "jobs", "create", "--name", "j", "--working-directory", str(repo), "--use-worktree",
        "--worktree-name", "tree", "-q",
    ).out.strip()  # fmt: skip
    first = ccs.task("[[mock: success]]", *IN_TMUX, "--job", job)
    second = ccs.task("[[mock: success]]", *IN_TMUX, "--job", job)
    ccs.ok("jobs", "run", job)
    both = lambda: [r for r in ccs.recorded() if r["status"] == "success"]  # noqa: E731
    runs = ccs.until(lambda: len(found := both()) == 2 and found)
    assert {run["task_id"] for run in runs} == {first, second}
    assert {run["cwd"] for run in runs} == {str(repo / "trees" / "tree")}
