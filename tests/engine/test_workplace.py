"""Where a run works, and what is committed of it: only what it changed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from histories import job, run, task, uid
from repos import Repo

from ccs.engine import place, workplace
from ccs.engine.commit import commit
from ccs.engine.workplace import NoPlace
from ccs.model import treename
from ccs.store.lock import Lock


@pytest.fixture
def repo(tmp_path):
    repo = Repo(tmp_path / "repo")
    repo.put("sub/inner", "inner\n")
    repo.commit(a="a\n", b="b\n", c="c\n")
    return repo


class Runs:
    """Runs of one task as a supervisor sees them; what the client does is a function."""

    def __init__(self, home, repo):
        self.home = home
        self.repo = repo
        self.said = []
        self.number = 10

    def asked(self, of=None, cwd=None, mock=False, **fields):
        self.number += 1
        nightly = fields.pop("job", None)
        kept = {"task": fields.pop("task_fields", {})}
        directory = str(cwd or self.repo.path)
        made = task(
            1,
            name="tidy up",
            prompt="Tidy src/\nand more",
            working_directory=directory,
            job_id=nightly.id if nightly else None,
            **kept["task"],
        )
        one = run(of or self.number, made, **fields)
        where = nightly.working_directory.path if nightly else directory
        return {
            "run": one.id,
            "task": made.record(),
            "mock": mock,
            "cwd": one.cwd or where,
            "place": json.loads(json.dumps(place.wanted(one, made, nightly))),
        }

    def prepare(self, asked, told_to_stop=lambda: False):
        return workplace.prepare(self.home, asked, self.repo.variables, told_to_stop)

    def go(self, does=lambda path: None, status="success", **fields):
        """One run from its place to its outcome."""
        asked = self.asked(**fields)
        place = self.prepare(asked)
        does(Repo.opened(place.cwd))
        ended = {"status": status, "message": None, "run": asked["run"]}
        if status == "success":
            commit(place, asked, asked["run"], self.said.append, str)
        workplace.leave(place, ended, asked["run"], self.said.append)
        return ended


def until(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


@pytest.fixture
def runs(home, repo):
    return Runs(home, repo)


def in_tree(repo, **fields):
    place = {"path": str(repo.path), "use_git_worktree": True, **fields}
    return job(7, 1, working_directory=place)


OWN = {"isolation": "worktree"}


# The commit -------------------------------------------------------------


def test_what_a_run_changed_is_committed_with_its_task_and_id(runs, repo):
    def work(tree):
        tree.write(a="changed\n")
        tree.put("new/file")
        (tree.path / "b").unlink()

    ended = runs.go(work)
    assert ended["commit"] == repo.head
    assert repo.committed() == ["a", "b", "new/file"]
    assert repo.status() == ""
    message = repo.git("log", "-1", "--format=%B").strip()
    assert message == f"tidy up\n\nTidy src/\n\nCcs-Run: {ended['run']}"
    assert repo.git("log", "-1", "--format=%(trailers:key=Ccs-Run,valueonly)") == ended["run"]
    assert (ended["cwd"], ended["worktree"], ended["message"]) == (str(repo.path), None, None)


def test_what_was_dirty_before_stays_as_it_was_also_in_the_index(runs, repo):
    repo.write(a="mine, staged\n")
    repo.git("add", "a")
    repo.write(a="mine, staged\nand more\n", untracked="mine\n")
    repo.put("staged-new", "mine\n")
    repo.git("add", "staged-new")
    (repo.path / "c").unlink()
    before = repo.status(), repo.git("diff", "--cached"), repo.git("diff")
    ended = runs.go(lambda tree: tree.write(b="the run's\n"))
    assert repo.committed() == ["b"]
    assert (repo.status(), repo.git("diff", "--cached"), repo.git("diff")) == before
    assert ended["message"] is None


def test_a_path_that_both_have_changed_is_left_to_the_user(runs, repo):
    repo.write(a="mine\n", untracked="mine\n")
    os.utime(repo.path / "untracked", (1, 1))

    def work(tree):
        tree.write(a="mine\nand the run's\n", b="the run's\n")
        os.utime(tree.path / "untracked", (2, 2))

    ended = runs.go(work)
    assert repo.committed() == ["b"]
    assert ended["message"] == "left uncommitted: a (changed before as well)"
    assert repo.status() == " M a\n?? untracked"


def test_a_file_of_the_user_is_not_committed_under_a_new_name(runs, repo):
    repo.put("secret", "the user's\n")
    repo.put("empty", "")

    def work(tree):
        (tree.path / "secret").rename(tree.path / "moved")
        (tree.path / "empty").unlink()
        tree.put("also-empty", "")

    ended = runs.go(work)
    assert repo.committed() == ["also-empty"]
    assert "moved (was uncommitted before, under another name)" in ended["message"]


def test_every_kind_of_change_gets_in(runs, repo):
    (repo.path / "link").symlink_to("a")
    repo.put("dir/x")
    repo.put("grüße \n'\"x")
    repo.commit()

    def work(tree):
        (tree.path / "a").chmod(0o755)
        (tree.path / "b").rename(tree.path / "renamed")
        (tree.path / "link").unlink()
        (tree.path / "link").symlink_to("c")
        (tree.path / "dir/x").unlink()
        (tree.path / "dir").rmdir()
        tree.put("dir", "a file now\n")
        (tree.path / "c").unlink()
        tree.put("c/below", "a directory now\n")
        tree.put("grüße \n'\"x", "other\n")
        tree.put("-D")
        tree.put(":(glob)*")
        os.symlink("/nowhere", tree.path / "dangling")
        with open(os.fsencode(tree.path) + b"/\xff", "w") as file:
            file.write("bytes")

    runs.go(work)
    assert repo.status() == ""
    assert repo.git("fsck", "--no-progress") == ""


def test_what_git_ignores_is_not_committed(runs, repo):
    repo.put(".gitignore", "*.log\n")
    repo.commit()
    ended = runs.go(lambda tree: tree.put("x.log"))
    assert ended["commit"] is None


@pytest.mark.parametrize(
    "options", [{"mock": True}, {"task_fields": {"commit_on_success": False}}, {"status": "failed"}]
)
def test_mock_runs_failures_and_tasks_that_do_not_want_it_commit_nothing(runs, repo, options):
    before = repo.head
    ended = runs.go(lambda tree: tree.write(a="x\n"), **options)
    assert (ended["commit"], repo.head, repo.status()) == (None, before, " M a")


def test_nothing_to_commit_and_no_repository_are_fine(runs, repo, tmp_path):
    before = repo.head
    assert runs.go(lambda tree: os.utime(tree.path / "a"))["message"] is None
    assert repo.head == before
    plain = tmp_path / "plain"
    plain.mkdir()
    ended = runs.go(lambda tree: tree.put("x"), cwd=plain)
    assert (ended["commit"], ended["message"], ended["cwd"]) == (None, None, str(plain))


def test_a_change_within_the_second_of_the_last_look_gets_in(runs, repo):
    """git then tells it by the content only, and knows by the time of its index that it must."""
    for name, value in (("core.checkStat", "minimal"), ("core.trustctime", "false")):
        repo.git("config", name, value)
    os.utime(repo.path / "a", (1_700_000_000, 1_700_000_000))
    repo.git("update-index", "--refresh")
    os.utime(repo.path / ".git/index", (1_700_000_000, 1_700_000_000))

    def work(tree):
        tree.write(a="x\n")  # as long as before
        os.utime(tree.path / "a", (1_700_000_000, 1_700_000_000))

    runs.go(work)
    assert (repo.committed(), repo.status()) == (["a"], "")


def test_a_first_commit_can_be_a_run_s(runs, tmp_path):
    repo = Repo(tmp_path / "fresh")
    repo.put("mine")
    ended = runs.go(lambda tree: tree.put("the-run-s"), cwd=repo.path)
    assert (repo.committed(), repo.status()) == (["the-run-s"], "?? mine")
    assert ended["commit"] == repo.head


def test_a_hook_that_refuses_leaves_a_success_and_everything_uncommitted(runs, repo):
    repo.hook("pre-commit", "echo lint says no >&2; exit 1")
    repo.write(c="mine, staged\n")
    repo.git("add", "c")
    before = repo.head
    ended = runs.go(lambda tree: (tree.write(a="x\n"), tree.put("new")))
    assert (repo.head, repo.status()) == (before, " M a\nM  c\n?? new")
    assert ended["message"] == "nothing was committed: git refused: lint says no"
    assert "git commit: lint says no" in runs.said


def test_a_hook_sees_the_commit_and_may_mend_it(runs, repo):
    repo.hook("pre-commit", "git diff --cached --name-only > seen; echo mended > a; git add a")
    repo.put(".gitignore", "seen\n")
    repo.git("add", "-A")
    repo.git("commit", "-q", "--no-verify", "-m", "x")
    repo.write(b="mine, staged\n")
    repo.git("add", "b")
    runs.go(lambda tree: tree.write(a="x\n"))
    assert (repo.path / "seen").read_text() == "a\n"
    assert repo.git("show", "HEAD:a") == "mended"
    assert repo.status() == "M  b"


def test_nobody_known_as_author_is_told(runs, repo):
    repo.git("config", "user.useConfigOnly", "true")
    repo.git("config", "--unset", "user.email")
    ended = runs.go(lambda tree: tree.write(a="x\n"))
    assert ended["commit"] is None
    assert ended["message"].startswith("nothing was committed: git refused: ")
    assert repo.status() == " M a"


def test_commits_of_the_client_stay_and_the_rest_is_added(runs, repo):
    ended = runs.go(lambda tree: (tree.commit("its own", a="x\n"), tree.write(b="x\n")))
    assert repo.git("log", "-2", "--format=%s") == "tidy up\nits own"
    assert ended["commit"] == repo.head
    assert runs.go(lambda tree: tree.commit("its own", a="y\n"))["commit"] is None


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda repo: repo.git("checkout", "-q", "--detach"), "no branch is checked out"),
        (lambda repo: repo.put(".git/MERGE_HEAD", f"{repo.head}\n"), "MERGE_HEAD is under way"),
    ],
)
def test_where_a_commit_would_get_lost_or_mean_something_else_none_is_made(runs, repo, spoil, told):
    spoil(repo)
    before = repo.head
    ended = runs.go(lambda tree: tree.write(a="x\n"))
    assert (repo.head, ended["message"]) == (before, f"nothing was committed: {told}")
    assert runs.go()["message"] is None


def test_repositories_inside_are_left_alone_and_named(runs, repo, tmp_path):
    library = Repo(tmp_path / "library")
    library.commit(x="x")
    words = ("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path))
    repo.git(*words, "library")
    repo.commit()

    def work(tree):
        Repo(tree.path / "nested").commit(x="x")
        Repo.opened(tree.path / "library").git("checkout", "-q", "--detach")
        module = Repo.opened(tree.path / "library")
        module.git("config", "user.email", "someone@example.org")
        module.git("config", "user.name", "Someone")
        module.commit("moved on", y="y")
        tree.write(a="x\n")

    ended = runs.go(work)
    assert repo.committed() == ["a"]
    assert "library (a submodule)" in ended["message"]
    assert "nested (a repository of its own)" in ended["message"]
    assert runs.go()["message"] is None


def test_a_huge_file_is_left_and_named(runs, repo):
    def work(tree):
        tree.write(a="x\n")
        with open(tree.path / "huge", "wb") as file:
            file.truncate(100_000_001)

    assert runs.go(work)["message"] == "left uncommitted: huge (over 100 MB)"
    assert repo.committed() == ["a"]


def test_too_many_changes_are_not_committed(runs, repo, monkeypatch):
    monkeypatch.setattr("ccs.host.changes.MOST", 3)
    ended = runs.go(lambda tree: [tree.put(f"n/{i}") for i in range(4)])
    assert "4 paths are changed" in ended["message"]
    assert ended["commit"] is None


def test_an_index_that_somebody_holds_is_told_and_the_commit_stands(runs, repo, monkeypatch):
    monkeypatch.setattr("ccs.host.commit._ATTEMPTS", 1)
    repo.hook("pre-commit", "touch .git/index.lock")
    ended = runs.go(lambda tree: tree.write(a="x\n"))
    assert ended["commit"] == repo.head
    assert "index still has the old content" in ended["message"]
    assert not [one for one in os.listdir(repo.path / ".git") if one.startswith("ccs-index")]


# Beside others who commit, and cut off ----------------------------------

# A commit of the user's, once, while ccs makes its own.
THEIRS = """
[ -e .git/done ] && exit 0; touch .git/done
unset GIT_INDEX_FILE; echo mine > mine; git add mine
git commit -q --no-verify -m theirs
"""


def history(repo):
    return repo.git("log", "--format=%s").splitlines()


def test_who_commits_while_a_hook_runs_keeps_the_commit(runs, repo):
    repo.hook("pre-commit", THEIRS)
    ended = runs.go(lambda tree: tree.write(a="x\n"))
    assert history(repo)[1] == "theirs"
    assert repo.committed(ended["commit"]) == ["a"]
    assert (repo.committed("HEAD~1"), repo.status()) == (["mine"], "")


def test_who_commits_before_git_looks_at_head_is_not_undone(runs, repo):
    """A slow filter, as of large files: the index was made for the HEAD before."""
    repo.git("config", "filter.slow.clean", f"sh -c '{THEIRS.strip()}' >/dev/null 2>&1; cat")
    repo.put(".gitattributes", "*.big filter=slow\n")
    repo.git("add", "-A")
    repo.git("commit", "-qm", "attributes")
    ended = runs.go(lambda tree: tree.put("made.big"))
    assert history(repo)[1] == "theirs"
    assert (repo.committed(ended["commit"]), repo.committed("HEAD~1")) == (["made.big"], ["mine"])
    assert repo.status() == ""


def test_two_runs_that_end_together_commit_one_after_the_other(runs, repo):
    repo.hook("pre-commit", "sleep 0.3")
    asked = [runs.asked() for _ in range(2)]
    places = [runs.prepare(one) for one in asked]
    repo.write(a="x\n")

    def ends(place, one):
        commit(place, one, one["run"], runs.said.append, str)

    threads = [threading.Thread(target=ends, args=pair) for pair in zip(places, asked, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [place.commit for place in places]
    assert sorted(made, key=bool) == [None, repo.head]
    assert [place.told for place in places] == [[], []]
    assert repo.status() == ""


def test_a_stop_lets_a_hook_put_back_what_it_had_set_aside(runs, repo):
    repo.write(b="not saved yet\n")
    aside = "git diff -- b > .git/aside; git checkout -q -- b; "
    back = "git apply .git/aside; exit 1"
    repo.hook("pre-commit", f"{aside} trap '{back}' TERM; touch .git/hooking; sleep 60 & wait")
    asked = runs.asked()
    place = runs.prepare(asked)
    repo.write(a="x\n")
    hooking = repo.path / ".git/hooking"
    assert commit(place, asked, asked["run"], runs.said.append, str, hooking.exists) is None
    assert "told to end" in place.told[0]
    assert (repo.path / "b").read_text() == "not saved yet\n"


def test_a_stop_after_the_commit_was_made_leaves_it_whole(runs, repo):
    repo.hook("post-commit", "touch .git/hooking; sleep 60")
    asked = runs.asked()
    place = runs.prepare(asked)
    repo.write(a="x\n")
    made = commit(
        place, asked, asked["run"], runs.said.append, str, (repo.path / ".git/hooking").exists
    )
    assert (made, repo.status()) == (repo.head, "")


def test_a_supervisor_killed_in_a_hook_leaves_an_index_that_knows_the_commit(runs, repo):
    """git goes on without it; an index that is behind makes the user's next commit a deletion."""
    os.mkfifo(repo.path / ".git/go")
    repo.hook("pre-commit", "touch .git/hooking; cat .git/go >/dev/null")
    asked = runs.asked()
    place = runs.prepare(asked)
    repo.put("made")
    child = os.fork()
    if child == 0:
        commit(place, asked, asked["run"], lambda words: None, str)
        os._exit(0)
    until((repo.path / ".git/hooking").exists)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    (repo.path / ".git/go").write_text("on\n")
    until(lambda: repo.committed() == ["made"] and repo.status() == "")


# Runs that go on --------------------------------------------------------


def test_what_a_limited_run_left_is_committed_by_the_one_that_goes_on(runs, repo):
    repo.write(c="mine\n")
    first = runs.go(lambda tree: tree.write(a="half\n"), status="limited")
    repo.put("meanwhile", "mine as well\n")
    last = runs.go(
        lambda tree: tree.write(b="the rest\n"),
        resumed_from=first["run"],
        cwd=None,
        trigger="resume",
    )
    assert last["commit"] == repo.head
    assert repo.committed() == ["a", "b"]
    assert repo.status() == " M c\n?? meanwhile"


def test_what_somebody_changed_in_between_is_theirs(runs, repo):
    first = runs.go(lambda tree: tree.write(a="half\n"), status="failed")
    repo.write(a="half\nmine\n")
    runs.go(lambda tree: tree.write(b="x\n"), retry_of=first["run"], trigger="retry")
    assert (repo.committed(), repo.status()) == (["b"], " M a")


def test_in_a_tree_of_its_own_the_work_of_a_killed_run_is_not_lost(runs, repo):
    nightly = in_tree(repo)
    asked = runs.asked(job=nightly)
    place = runs.prepare(asked)
    Repo.opened(place.cwd).write(a="half\n")  # and the supervisor is killed
    ended = runs.go(
        lambda tree: tree.write(b="x\n"), job=nightly, retry_of=asked["run"], trigger="retry"
    )
    assert repo.committed(ended["commit"]) == ["a", "b"]


# Worktrees --------------------------------------------------------------


def test_a_job_s_runs_share_its_tree_and_commit_on_its_branch(runs, repo):
    nightly = in_tree(repo, worktree_name="feature-x")
    before = repo.head
    first = runs.go(lambda tree: tree.write(a="x\n"), job=nightly)
    second = runs.go(lambda tree: tree.write(b="x\n"), job=nightly)
    tree = repo.path / "trees/feature-x"
    assert (first["cwd"], first["worktree"]) == (str(tree), "feature-x")
    assert second["cwd"] == first["cwd"]
    assert repo.git("log", "--format=%H", "main..feature-x").split() == [
        second["commit"],
        first["commit"],
    ]
    assert (repo.head, repo.status()) == (before, "")


def test_a_directory_below_the_top_is_the_same_one_in_the_tree(runs, repo):
    place = {"path": str(repo.path / "sub"), "use_git_worktree": True, "worktree_name": "x"}
    nightly = job(7, 1, working_directory=place)
    assert runs.go(job=nightly)["cwd"] == str(repo.path / "trees/x/sub")
    (repo.path / "new").mkdir()
    with pytest.raises(NoPlace, match="the branch does not have it") as refused:
        runs.go(job=job(8, 1, working_directory={**place, "path": str(repo.path / "new")}))
    assert refused.value.reason in ("workdir_missing", "start_failed")


@pytest.mark.parametrize("own", [{}, {"task_fields": OWN}])
def test_without_a_directory_there_is_no_run(runs, tmp_path, own):
    with pytest.raises(NoPlace) as refused:
        runs.go(cwd=tmp_path / "nowhere", **own)
    assert refused.value.reason == "workdir_missing"


def test_without_a_repository_there_is_no_tree(runs, tmp_path):
    with pytest.raises(NoPlace, match="in no git repository") as refused:
        runs.go(cwd=tmp_path, task_fields=OWN)
    assert refused.value.reason == "start_failed"


def test_a_run_s_own_tree_goes_with_its_branch_when_nothing_was_changed(runs, repo):
    seen = []
    ended = runs.go(lambda tree: seen.append(tree.path), task_fields=OWN)
    assert seen[0].parent == repo.path / "trees"
    assert seen[0].name == f"tidy-up-{ended['run'][:8]}"
    assert not seen[0].parent.exists()
    assert repo.git("branch", "--list", "tidy*") == ""
    assert ended["message"] is None


@pytest.mark.parametrize(
    ("does", "status"),
    [
        (lambda tree: tree.write(a="x\n"), "success"),
        (lambda tree: tree.write(a="x\n"), "failed"),
        (lambda tree: tree.put("untracked"), "failed"),
        (lambda tree: tree.commit("own"), "failed"),
        (lambda tree: tree.git("switch", "-q", "-c", "elsewhere"), "failed"),
    ],
)
def test_a_run_s_own_tree_is_kept_and_told_when_anything_was(runs, does, status):
    ended = runs.go(does, status, task_fields=OWN)
    assert ended["message"] == f"its worktree was kept: {ended['cwd']}"
    assert Path(ended["cwd"]).is_dir()


def test_a_run_that_goes_on_goes_on_in_the_tree_of_its_run(runs, repo):
    first = runs.go(status="limited", task_fields=OWN)
    assert Path(first["cwd"]).is_dir()
    kept = {"cwd": first["cwd"], "worktree": first["worktree"], "task_fields": OWN}
    kept |= {"resumed_from": first["run"], "trigger": "resume"}
    asked = runs.asked(**{**kept, "cwd": None}) | {"cwd": first["cwd"]}
    place = runs.prepare(asked)
    assert (place.cwd, place.notes) == (first["cwd"], [])


def test_a_tree_that_was_taken_away_is_made_anew_with_what_was_committed(runs, repo):
    first = runs.go(lambda tree: tree.write(a="x\n"), task_fields=OWN)
    repo.git("worktree", "remove", first["cwd"])
    asked = runs.asked(worktree=first["worktree"], resumed_from=first["run"], task_fields=OWN)
    place = runs.prepare(asked | {"cwd": first["cwd"]})
    assert (place.cwd, Repo.opened(place.cwd).head) == (first["cwd"], first["commit"])
    # Its branch has work in it that is nowhere else.
    ended = {"status": "success", "message": None}
    workplace.leave(place, ended, asked["run"], runs.said.append)
    assert repo.git("rev-parse", str(first["worktree"])) == first["commit"]


def test_two_runs_of_a_job_that_begin_at_once_share_one_tree(runs, repo):
    nightly = in_tree(repo, worktree_setup="echo x >> set-up; sleep 0.1")
    asked = [runs.asked(job=nightly) for _ in range(3)]
    places, failed = [], []

    def begin(one):
        try:
            places.append(runs.prepare(one))
        except NoPlace as error:
            failed.append(error)

    threads = [threading.Thread(target=begin, args=(one,)) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len({place.cwd for place in places}) == 1
    assert (Path(places[0].cwd) / "set-up").read_text() == "x\n"


def test_a_deleted_job_s_tree_is_taken_over_by_the_next_of_that_name(runs, repo, store):
    first = in_tree(repo, worktree_name="feature-x")
    with store.locked():
        store.jobs.put(first)
    runs.go(job=first)
    second = first.changed(id=uid(8))
    with pytest.raises(NoPlace, match="belongs to job"):
        runs.go(job=second)
    with store.locked():
        store.jobs.remove([first.id])
    assert runs.go(job=second)["worktree"] == "feature-x"


def test_a_tree_that_stands_waits_for_nobody_who_makes_one(runs, repo):
    """Such as what a hook of git left running, which holds the lock."""
    nightly = in_tree(repo)
    runs.go(job=nightly)
    with Lock(os.path.join(runs.home.file("locks"), f"tree-{nightly.id}.lock")) as lock:
        assert lock.acquire()
        late = time.monotonic() + 20
        assert runs.prepare(runs.asked(job=nightly), lambda: time.monotonic() > late).cwd


def test_a_run_goes_on_in_its_tree_though_the_job_has_another_name_for_it(runs, repo):
    first = runs.go(status="limited", job=in_tree(repo, worktree_name="one"))
    kept = {"worktree": first["worktree"], "resumed_from": first["run"], "trigger": "resume"}
    asked = runs.asked(job=in_tree(repo, worktree_name="two"), **kept) | {"cwd": first["cwd"]}
    assert runs.prepare(asked).cwd == first["cwd"]


def test_a_stopped_run_that_changed_nothing_leaves_no_tree(runs, repo):
    told = []
    asked = runs.asked(task_fields=OWN)
    place = runs.prepare(asked, lambda: bool(told))
    told.append("stop")
    ended = {"status": "cancelled", "message": None}
    workplace.leave(place, ended, asked["run"], runs.said.append)
    assert (ended["message"], Path(place.cwd).exists()) == (None, False)


def test_a_run_that_is_told_to_end_while_its_tree_is_set_up_does_so(runs, repo):
    nightly = in_tree(repo, worktree_setup="touch begun; sleep 600")
    begun = repo.path / "trees" / treename.of_job(nightly.id) / "begun"
    with pytest.raises(NoPlace, match="told to end"):
        runs.prepare(runs.asked(job=nightly), begun.exists)


def test_names_of_runs_are_always_fit_for_a_tree():
    for name in ("x", "../..", "-", "naïve 🚀 job", "a" * 200, "HEAD", ".git", "\u202e", "A  b"):
        assert treename.fault(treename.of_run(name, uid(1))) == ""
