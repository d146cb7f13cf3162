"""Worktrees as people see them: listed, merged, removed, pruned; and what a run has changed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from repos import HOME, Repo

from ccs.engine import workplace
from ccs.engine.commit import commit
from ccs.engine.place import wanted
from ccs.host import worktree
from ccs.store.home import Home
from ccs.store.store import Store


@pytest.fixture
def ccs(quick):
    quick.env |= HOME
    return quick


@pytest.fixture
def repo(ccs):
    repo = Repo(ccs.root / "repo")
    repo.commit(a="a\n", b="b\n")
    return repo


class Works:
    """Plays the part of a supervisor: a run of a task, in its place, doing what it is told."""

    def __init__(self, ccs, repo):
        self.ccs = ccs
        self.repo = repo
        self.store = Store(Home(str(ccs.store)))

    def job(self, name="nightly", *options):
        words = ("--working-directory", str(self.repo.path), "--use-worktree", *options)
        self.ccs.ok("jobs", "create", "--name", name, *words)
        return self.ccs.task("go", "--job", name, "--name", f"task of {name}")

    def run(self, task_id, does=lambda tree: None, commits=True, status="success"):
        """The id of the run and where it was."""
        run_id = self.ccs.start(task_id)
        self.ccs.ended(run_id)
        task = self.store.tasks.get(task_id)
        run = self.store.runs.get(run_id).changed(mock=False, cwd=None, worktree=None)
        job = self.store.jobs.get(task.job_id) if task.job_id else None
        directory = job.working_directory.path if job else task.working_directory
        asked = {"run": run_id, "task": task.record(), "mock": False, "cwd": directory}
        asked["place"] = wanted(run, task, job)
        variables = self.repo.variables
        place = workplace.prepare(self.store.home, asked, variables, lambda: False)
        does(Repo.opened(place.cwd))
        ended = {"status": status, "reason": None, "message": None}
        if commits:
            commit(place, asked, run_id, lambda words: None, str)
        workplace.leave(place, ended, run_id, lambda words: None)
        with self.store.locked():
            self.store.runs.put(run.changed(**ended))
        return run_id, place.cwd


@pytest.fixture
def works(ccs, repo):
    return Works(ccs, repo)


def rows(ccs):
    return {one["id"]: one for one in ccs.ok("jobs", "worktree", "list").json["worktrees"]}


def nothing(tree):
    pass


def test_trees_are_listed_with_their_owner_and_how_they_stand(ccs, works, repo):
    task = works.job("nightly", "--worktree-name", "feature-x")
    assert rows(ccs) == {}
    assert ccs("jobs", "worktree", "path", "nightly").code == 3
    _, cwd = works.run(task, lambda tree: tree.write(a="x\n"))
    Repo.opened(cwd).put("left")
    row = rows(ccs)["feature-x"]
    assert (row["kind"], row["name"], row["branch"], row["base"]) == (
        *("job", "nightly", "feature-x", "main"),
    )
    assert (row["changes"], row["ahead"], row["path"]) == (1, 1, cwd)
    assert ccs.ok("jobs", "worktree", "path", "nightly").out == f"{cwd}\n"
    assert ccs.ok("jobs", "worktree", "path", "feature-x").out == f"{cwd}\n"
    assert "feature-x  nightly" in ccs.ok("jobs", "worktree", "list", "-o", "table").out
    repo.git("worktree", "add", "-q", "trees/by-hand", "-b", "by-hand")
    assert [*rows(ccs)] == ["feature-x"]


def test_a_merge_brings_the_commits_home_and_leaves_the_user_s_files(ccs, works, repo):
    task = works.job()
    works.run(task, lambda tree: tree.write(a="the run's\n"))
    repo.put("untracked", "mine\n")
    repo.commit("mine too", b="mine\n")
    done = ccs.ok("jobs", "worktree", "merge", "nightly")
    assert "into main" in done.err
    assert repo.git("show", "HEAD:a") == "the run's"
    assert (repo.path / "a").read_text() == "the run's\n"
    assert repo.status() == ""
    again = ccs.ok("jobs", "worktree", "merge", "nightly")
    assert "already" in again.err


def test_a_merge_is_refused_while_something_is_not_committed_here_or_there(ccs, works, repo):
    task = works.job()
    _, cwd = works.run(task, lambda tree: tree.write(a="x\n"))
    before = repo.head
    Repo.opened(cwd).put("left")
    refused = ccs("jobs", "worktree", "merge", "nightly")
    assert (refused.code, refused.error["matches"]) == (4, ["?? left"])
    (Path(cwd) / "left").unlink()
    repo.write(b="mine\n")
    refused = ccs("jobs", "worktree", "merge", "nightly")
    assert (refused.code, refused.error["matches"]) == (4, [" M b"])
    assert (repo.head, (repo.path / "b").read_text()) == (before, "mine\n")


def test_a_merge_that_conflicts_changes_nothing(ccs, works, repo):
    task = works.job()
    works.run(task, lambda tree: tree.write(a="the run's\n"))
    before = repo.commit("mine", a="mine\n")
    refused = ccs("jobs", "worktree", "merge", "nightly")
    assert refused.code == 4
    assert "nothing was changed" in refused.error["message"]
    assert "merge" in refused.error["hint"]
    assert (repo.head, repo.status(), (repo.path / "a").read_text()) == (before, "", "mine\n")


def test_a_branch_that_is_checked_out_nowhere_is_only_moved_on(ccs, works, repo):
    task = works.job()
    run_id, _ = works.run(task, lambda tree: tree.write(a="x\n"))
    repo.git("switch", "-q", "-c", "elsewhere")
    done = ccs.ok("jobs", "worktree", "merge", "nightly")
    assert "moved main on" in done.err
    assert repo.git("rev-parse", "main") == works.store.runs.get(run_id).commit
    assert repo.git("branch", "--show-current") == "elsewhere"
    works.run(task, lambda tree: tree.write(a="y\n"))
    assert ccs("jobs", "worktree", "merge", "nightly", "--into", "nope").code == 3


def test_removing_takes_a_merged_branch_along_and_leaves_any_other(ccs, works, repo):
    task = works.job("nightly", "--worktree-name", "feature-x")
    _, cwd = works.run(task, lambda tree: tree.write(a="x\n"))
    done = ccs.ok("jobs", "worktree", "remove", "nightly")
    assert "the branch feature-x stays (1 commits that main has not)" in done.err
    assert not Path(cwd).exists()
    tip = repo.git("rev-parse", "feature-x")
    _, cwd = works.run(task)
    assert Repo.opened(cwd).head == tip
    ccs.ok("jobs", "worktree", "merge", "nightly")
    done = ccs.ok("jobs", "worktree", "remove", "feature-x")
    assert "the branch feature-x stays: ccs did not make it" in done.err  # for this tree
    assert not (repo.path / "trees").exists()
    assert ccs("jobs", "worktree", "remove", "nightly").code == 3


def test_what_is_not_committed_is_lost_only_by_force_and_named(ccs, works, repo):
    task = works.job()
    _, cwd = works.run(task, lambda tree: (tree.write(a="x\n"), tree.put("new")), commits=False)
    refused = ccs("jobs", "worktree", "remove", "nightly")
    assert (refused.code, refused.error["matches"]) == (4, [" M a", "?? new"])
    assert "--force" in refused.error["hint"]
    assert Path(cwd).is_dir()
    done = ccs.ok("jobs", "worktree", "remove", "nightly", "--force")
    assert "lost: M a" in done.err
    assert "lost: ?? new" in done.err
    assert not Path(cwd).exists()


def test_a_tree_in_use_is_neither_merged_nor_removed(ccs, works, repo):
    task = works.job()
    _, cwd = works.run(task)
    with works.store.locked():
        waiting = works.store.runs.all()[0].changed(status="upcoming", end_time=None)
        works.store.runs.put(waiting)
    for words in (("merge", "nightly"), ("remove", "nightly", "--force")):
        refused = ccs("jobs", "worktree", *words)
        assert (refused.code, "in use" in refused.error["message"]) == (4, True)
    assert Path(cwd).is_dir()


def test_pruning_takes_only_what_nobody_will_miss(ccs, works, repo):
    kept, dirty, ahead, gone = (works.job(name) for name in ("kept", "dirty", "ahead", "gone"))
    works.run(kept)
    works.run(dirty, lambda tree: tree.put("left"), commits=False)
    works.run(ahead, lambda tree: tree.write(a="x\n"))
    _, cwd = works.run(gone)
    own = ccs.task("go", "--working-directory", str(repo.path), "--isolation", "worktree")
    _, single = works.run(own, lambda tree: tree.put("left"), commits=False)
    for name in ("dirty", "ahead", "gone"):
        ccs.ok("jobs", "delete", name, "--yes")
    would = ccs.ok("jobs", "worktree", "prune", "--dry-run")
    assert [one["path"] for one in would.json["worktrees"]] == [cwd]
    assert Path(cwd).is_dir()
    done = ccs.ok("jobs", "worktree", "prune")
    assert [one["path"] for one in done.json["worktrees"]] == [cwd]
    for words in ("its job is there", "1 changes are not committed", "1 commits are not in main"):
        assert words in done.err
    assert not Path(cwd).exists()
    (Path(single) / "left").unlink()
    done = ccs.ok("jobs", "worktree", "prune")
    assert [one["path"] for one in done.json["worktrees"]] == [single]


def test_trees_of_another_store_are_left_alone(ccs, works, repo):
    works.run(works.job())
    other = str(ccs.root / "other")
    ccs.work = repo.path
    assert ccs("jobs", "worktree", "list", CCS_HOME=other).json == {"worktrees": []}
    assert ccs("jobs", "worktree", "prune", CCS_HOME=other).json == {"worktrees": []}
    assert len(rows(ccs)) == 1


@pytest.mark.parametrize("name", ["../../x", "a/b", "-D", ".git", "a b", "x\x1b[2J", "HEAD"])
def test_a_name_that_leads_elsewhere_is_refused_at_creation(ccs, name):
    refused = ccs("jobs", "create", "--name", "x", f"--worktree-name={name}")
    assert (refused.code, "worktree_name" in refused.error["message"]) == (2, True)
    assert ccs.saved("jobs") == []


# What a run changed -----------------------------------------------------


def test_the_difference_of_a_run_is_its_commit(ccs, works, repo):
    task = ccs.task("go", "--working-directory", str(repo.path))
    repo.write(b="mine\n")
    run_id, _ = works.run(task, lambda tree: (tree.write(a="x\n"), tree.put("new", "n\n")))
    shown = ccs.ok("runs", "diff", run_id).out
    assert "-a\n+x\n" in shown
    assert "+++ b/new" in shown
    assert "mine" not in shown
    assert "2 files changed" in ccs.ok("runs", "diff", run_id, "--stat").out
    reverse = ["git", "apply", "-R", "--check"]
    subprocess.run(reverse, cwd=repo.path, input=shown, text=True, check=True, env=dict(os.environ))


def test_what_the_client_committed_itself_is_in_it_too(ccs, works, repo):
    task = works.job()
    run_id, _ = works.run(task, lambda tree: (tree.commit("own", a="x\n"), tree.write(b="y\n")))
    shown = ccs.ok("runs", "diff", run_id).out
    assert "+x\n" in shown
    assert "+y\n" in shown


def test_where_others_work_too_their_commits_are_told_and_not_shown(ccs, works, repo):
    task = ccs.task("go", "--working-directory", str(repo.path))
    run_id, _ = works.run(task, lambda tree: (tree.commit("own", a="x\n"), tree.write(b="y\n")))
    shown = ccs.ok("runs", "diff", run_id)
    assert "+y\n" in shown.out
    assert "+x\n" not in shown.out
    assert "there were commits before it" in shown.err


def test_one_broken_tree_is_shown_and_stops_nobody(ccs, works, repo):
    works.run(works.job("good", "--worktree-name", "good"))
    works.run(works.job("bad", "--worktree-name", "bad"))
    (repo.path / ".git/worktrees/bad/index").write_bytes(b"xx")
    assert set(rows(ccs)) == {"good", "bad"}
    ccs.ok("jobs", "worktree", "path", "good")
    ccs.ok("jobs", "worktree", "path", "bad")
    assert ccs("jobs", "worktree", "remove", "bad").code == 4
    ccs.ok("jobs", "worktree", "remove", "good")
    ccs.ok("jobs", "worktree", "prune")


def test_the_tree_of_a_job_that_cannot_be_read_is_kept(ccs, works, repo):
    _, cwd = works.run(works.job())
    path = ccs.store / "jobs.json"
    path.write_text(path.read_text().replace('"max_parallel": 1', '"max_parallel": "many"'))
    assert "many" in path.read_text()
    ccs("jobs", "worktree", "prune")
    assert Path(cwd).is_dir()


def test_a_branch_that_ccs_did_not_make_stays(ccs, works, repo):
    repo.git("branch", "develop")
    works.run(works.job("nightly", "--worktree-name", "develop"))
    ccs.ok("jobs", "worktree", "remove", "nightly")
    assert repo.git("branch", "--list", "develop").strip() == "develop"


def test_nothing_is_merged_into_a_tree_in_which_a_run_works(ccs, works, repo):
    works.run(works.job("a", "--worktree-name", "aa"), lambda tree: tree.write(a="x\n"))
    run_id, cwd = works.run(works.job("b", "--worktree-name", "bb"))
    with works.store.locked():
        run = works.store.runs.get(run_id)
        works.store.runs.put(run.changed(status="running", cwd=cwd, worktree="bb"))
    refused = ccs("jobs", "worktree", "merge", "aa", "--into", "bb")
    assert (refused.code, "a run works in" in refused.err) == (4, True)


def test_one_name_in_two_repositories_is_ambiguous(ccs, works, repo):
    works.run(works.job("a", "--worktree-name", "x"))
    works.repo = Repo(ccs.root / "other")
    works.repo.commit(a="a\n")
    works.run(works.job("b", "--worktree-name", "x"))
    refused = ccs("jobs", "worktree", "path", "x")
    assert (refused.code, "2 worktrees" in refused.err) == (4, True)


def test_what_a_killed_maker_left_of_a_single_run_is_cleared_up(ccs, works, repo):
    task = ccs.task("go", "--working-directory", str(repo.path), "--isolation", "worktree")
    reason = worktree.reason_of("task", task, str(ccs.store))
    path = str(repo.path / "trees/x-1")
    repo.git("worktree", "add", "-q", "--lock", "--reason", reason, "-b", "x-1", path)
    ccs.ok("jobs", "worktree", "prune")
    assert len(repo.git("worktree", "list").splitlines()) == 1


def test_without_a_commit_it_is_what_differs_in_the_run_s_own_tree(ccs, works, repo):
    task = works.job()
    works.run(task, lambda tree: tree.put("before", "earlier\n"), commits=False)
    run_id, _ = works.run(
        task,
        lambda tree: (tree.commit("own", a="x\n"), tree.write(b="y\n"), tree.put("new", "n\n")),
        commits=False,
    )
    objects = sorted(str(one) for one in (repo.path / ".git/objects").rglob("*"))
    done = ccs.ok("runs", "diff", run_id)
    for line in ("+x\n", "+y\n", "+n\n"):
        assert line in done.out
    assert "as it is now" in done.err
    assert objects == sorted(str(one) for one in (repo.path / ".git/objects").rglob("*"))
    ccs.ok("jobs", "worktree", "remove", "nightly", "--force")
    refused = ccs("runs", "diff", run_id)
    assert (refused.code, "is gone" in refused.err) == (4, True)


def test_where_it_cannot_be_told_it_says_why(ccs, works, repo):
    task = ccs.task("go", "--working-directory", str(repo.path))
    mock = ccs.start(task)
    ccs.ended(mock)
    assert "not known" in ccs("runs", "diff", mock).err
    run_id, _ = works.run(task, lambda tree: tree.commit("own", a="x\n"))
    refused = ccs("runs", "diff", run_id)
    assert (refused.code, "others work in" in refused.err) == (4, True)
    assert "HEAD moved while it ran" in refused.err
    own = ccs.task("go", "--working-directory", str(repo.path), "--isolation", "worktree")
    untouched, _ = works.run(own)
    done = ccs.ok("runs", "diff", untouched)
    assert (done.out, "nothing was changed" in done.err) == ("", True)
