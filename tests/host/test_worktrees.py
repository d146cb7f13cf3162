"""Worktrees are made once, found again, known as ours, and never lead out of the repository."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from repos import Repo

from ccs.errors import CcsError, Conflict
from ccs.host import treemaker, worktree
from ccs.host.git import Git, GitFailed
from ccs.host.repository import repository

MARK = {"store": "/store", "kind": "job", "owner": "1"}


@pytest.fixture
def repo(tmp_path):
    repo = Repo(tmp_path / "repo")
    repo.commit(file="one\n")
    return repo


def maker(repo, name="feature-x", mark=MARK, gone=lambda mark: False, directory=None, **more):
    git = Git(str(directory or repo.path), repo.variables, **more)
    found = repository(git)
    assert found is not None
    return treemaker.Maker(git, found, name, mark, gone)


def ensure(repo, *args, base=None, setup=None, **more):
    return maker(repo, *args, **more).ensure(base, setup)[0]


def admin(repo, name="feature-x"):
    return repo.path / ".git/worktrees" / name


def test_a_tree_is_made_on_a_branch_of_its_name_and_found_again(repo):
    tree = ensure(repo)
    inside = repo.at(tree.path)
    assert Path(tree.path) == repo.path / "trees/feature-x"
    assert (inside.git("branch", "--show-current"), inside.head) == ("feature-x", repo.head)
    inside.put("file", "two\n")
    again, told = maker(repo).ensure(None, "touch never")
    assert (again.path, again.mark, told) == (tree.path, tree.mark, [])
    assert inside.status() == " M file"
    # git leaves it alone in `worktree prune`, and nothing keeps the user from removing it.
    assert "locked" not in repo.git("worktree", "list", "--porcelain")


def test_what_a_single_run_could_not_make_goes_with_its_branch(repo):
    mark = {"store": "/store", "kind": "task", "owner": "1"}
    with pytest.raises(GitFailed, match="setup of the worktree failed"):
        ensure(repo, "x-1", mark, setup="exit 1")
    assert len(repo.git("worktree", "list").splitlines()) == 1
    assert repo.git("branch", "--list", "x-1") == ""


def test_the_repository_s_own_exclude_file_hides_the_trees_once(repo):
    exclude = repo.path / ".git/info/exclude"
    exclude.write_text("*.tmp")
    ensure(repo)
    ensure(repo, "feature-y")
    assert exclude.read_text() == "*.tmp\n/trees/\n"
    assert repo.status() == ""
    assert not (repo.path / ".gitignore").exists()


@pytest.mark.parametrize(
    ("branches", "given", "base", "start"),
    [
        ([], None, "main", "main"),
        (["dev"], None, "main", "main"),
        (["dev"], "dev", "dev", "dev"),
    ],
)
def test_a_new_branch_begins_at_the_one_that_is_named_or_at_main(
    repo, branches, given, base, start
):
    for branch in branches:
        repo.git("switch", "-q", "-c", branch)
        repo.commit(f"on {branch}")
    tree = ensure(repo, base=given)
    assert tree.mark["base"] == base
    assert repo.at(tree.path).head == repo.git("rev-parse", start)


def test_without_main_it_begins_at_the_present_branch_and_without_that_at_the_commit(repo):
    repo.git("branch", "-m", "trunk")
    assert ensure(repo).mark["base"] == "trunk"
    repo.git("checkout", "-q", "--detach")
    tree = ensure(repo, "feature-y")
    assert tree.mark["base"] is None
    assert repo.at(tree.path).head == repo.head


def test_what_cannot_be_a_base_is_refused_and_leaves_nothing(repo, tmp_path):
    with pytest.raises(GitFailed, match="no branch 'nope'"):
        ensure(repo, base="nope")
    assert not (repo.path / "trees").exists()
    empty = Repo(tmp_path / "empty")
    with pytest.raises(GitFailed, match="no commit yet"):
        ensure(empty)


def test_an_existing_branch_is_gone_on_with(repo):
    repo.git("branch", "feature-x")
    repo.commit("later")
    tree = ensure(repo)
    assert repo.at(tree.path).head == repo.git("rev-parse", "main~1")
    assert tree.mark["new_branch"] is False


def test_a_directory_below_the_top_and_one_in_a_tree_lead_to_the_same_place(repo):
    repo.put("sub/x")
    repo.commit()
    tree = ensure(repo, directory=repo.path / "sub")
    nested = ensure(repo, "feature-y", directory=tree.path)
    assert Path(nested.path) == repo.path / "trees/feature-y"


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "a/../b", "a/b", "/etc", "\\x", "-D", "--force", ".git", ".GIT"),
        *("git~1", "a b", "a\tb", "a\nb", "a\x7fb", "a\u202eb", "a\u200bb", "\udc80", "a..b"),
        *("a.lock", "@", "HEAD", "a@{1}", "a^", "a:b", "a?", "a*", "[a]", "a.", "x" * 101),
    ],
)
def test_a_hostile_name_is_refused_before_anything_is_done(repo, name):
    with pytest.raises(GitFailed, match="cannot be named"):
        maker(repo, name)


@pytest.mark.parametrize("name", ["feature-x", "job-0a1b2c3d", "wip_1.2", "grüße", "a@b", "x+y"])
def test_ordinary_names_are_taken(repo, name):
    assert Path(ensure(repo, name).path).name == name


def test_no_tree_is_made_through_a_link(repo, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (repo.path / "trees").symlink_to(outside)
    with pytest.raises(Conflict, match="link"):
        ensure(repo)
    (repo.path / "trees").unlink()
    (repo.path / "trees").mkdir()
    (repo.path / "trees/feature-x").symlink_to(outside)
    with pytest.raises(Conflict, match="link"):
        ensure(repo)
    assert [*outside.iterdir()] == []


def test_what_stands_there_already_is_not_touched(repo):
    repo.put("trees/feature-x/mine", "precious\n")
    with pytest.raises(Conflict, match="no worktree"):
        ensure(repo)
    repo.git("worktree", "add", "-q", "trees/feature-y", "-b", "feature-y")
    with pytest.raises(Conflict, match="did not make") as refused:
        ensure(repo, "feature-y")
    assert "git worktree remove" in refused.value.hint
    assert (repo.path / "trees/feature-x/mine").read_text() == "precious\n"


def test_a_tree_of_another_job_is_taken_over_only_when_that_is_gone(repo):
    ensure(repo)
    other = {**MARK, "owner": "2"}
    with pytest.raises(Conflict, match="belongs to job 1"):
        ensure(repo, mark=other)
    assert ensure(repo, mark=other, gone=lambda mark: mark["owner"] == "1").mark["owner"] == "2"
    with pytest.raises(Conflict, match="belongs to job 2"):
        ensure(repo)


def test_a_tree_that_no_longer_belongs_to_the_repository_is_refused(repo, tmp_path):
    tree = ensure(repo)
    git_file = Path(tree.path) / ".git"
    standing = git_file.read_text()
    foreign = Repo(tmp_path / "foreign")
    git_file.write_text(f"gitdir: {foreign.path}/.git\n")
    with pytest.raises(Conflict, match="no working tree"):
        ensure(repo)
    git_file.unlink()
    with pytest.raises(Conflict, match="no working tree"):
        ensure(repo)
    git_file.write_text(standing)
    assert ensure(repo).path == tree.path


def test_a_tree_whose_directory_was_deleted_is_made_anew_on_its_branch(repo):
    tree = ensure(repo)
    made = repo.at(tree.path).commit("in the tree")
    subprocess.run(["rm", "-rf", tree.path], check=True)
    assert repo.at(ensure(repo).path).head == made


# Interrupted ------------------------------------------------------------


def test_whatever_moment_the_making_was_cut_off_at_it_is_begun_anew(repo):
    """As a killed maker leaves it: the lock with its reason, and more or less of the rest."""
    ours = maker(repo).reason
    path = repo.path / "trees/feature-x"
    # All but the marker.
    repo.git("worktree", "add", "-q", "--lock", "--reason", ours, "-b", "feature-x", str(path))
    (path / "file").write_text("half a checkout")
    (admin(repo) / "index.lock").touch()
    ensure(repo)
    assert (repo.at(path).status(), (path / "file").read_text()) == ("", "one\n")

    # Before anything was checked out.
    repo.git("worktree", "remove", "--force", str(path))
    admin(repo).mkdir(parents=True)
    (admin(repo) / "locked").write_text(f"{ours}\n")
    (admin(repo) / "gitdir").write_text(f"{path}/.git\n")
    path.mkdir(parents=True)
    ensure(repo)
    assert repo.at(path).status() == ""

    # Before git knew where the tree was to be.
    repo.git("worktree", "remove", "--force", str(path))
    admin(repo).mkdir(parents=True)
    (admin(repo) / "locked").write_text(f"{ours}\n")
    ensure(repo)
    assert repo.at(path).status() == ""
    assert [one.name for one in (repo.path / ".git/worktrees").iterdir()] == ["feature-x"]

    # Between the marker and the unlocking: nothing is missing.
    repo.git("worktree", "lock", "--reason", ours, str(path))
    (path / "file").write_text("work\n")
    ensure(repo)
    assert repo.at(path).status() == " M file"
    assert not (admin(repo) / "locked").exists()


def test_a_maker_killed_in_its_setup_leaves_nothing_that_stops_the_next(repo, tmp_path):
    reached = tmp_path / "reached"
    os.mkfifo(reached)
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from repos import Repo
from test_worktrees import ensure
ensure(Repo.opened({str(repo.path)!r}), setup="touch half; echo x > {reached}; sleep 600")
"""
    child = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    try:
        reached.read_text()  # waits for the setup to get there
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    path = repo.path / "trees/feature-x"
    assert (path / "half").exists()
    _end_those_in(path)
    tree = ensure(repo, setup="touch whole")
    assert sorted(os.listdir(tree.path)) == [".git", "file", "whole"]


def _end_those_in(directory):
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if os.readlink(entry) == str(directory):
                os.kill(int(entry.parent.name), signal.SIGKILL)
        except OSError:
            continue  # gone, or not ours


def test_two_makers_of_different_trees_do_not_disturb_each_other(repo):
    failed = []

    def make(number):
        try:
            ensure(repo, f"run-{number}", mark={**MARK, "kind": "task", "owner": str(number)})
        except CcsError as error:
            failed.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []
    assert len(worktree.every(repo.handle(), maker(repo).repo)) == 6


# Setup and copied files -------------------------------------------------


def test_setup_runs_once_in_the_new_tree_with_the_run_s_environment(repo):
    repo.variables["GREETING"] = "hello"
    ensure(repo, setup='echo "$GREETING" >> said; pwd >> said')
    ensure(repo, setup="echo again >> said")
    path = repo.path / "trees/feature-x"
    assert (path / "said").read_text() == f"hello\n{path}\n"


def test_a_setup_that_fails_is_told_and_tried_again_from_the_beginning(repo):
    with pytest.raises(GitFailed, match="exit 3: no such thing"):
        ensure(repo, setup="touch half; echo no such thing; exit 3")
    assert worktree.every(repo.handle(), maker(repo).repo) == []
    assert not (Path(ensure(repo, setup="true").path) / "half").exists()


def test_a_setup_ends_when_the_run_is_told_to_end(repo):
    with pytest.raises(GitFailed, match="told to end"):
        ensure(
            repo,
            setup="touch begun; sleep 600",
            told_to_stop=(repo.path / "trees/feature-x/begun").exists,
        )


def test_ignored_files_that_are_named_are_copied_and_no_others(repo):
    repo.put(".gitignore", "*.env\nbuild/\nlocal/\nlinks/\n")
    repo.put(".worktreeinclude", "*.env\n!secret.env\nlocal/\nfile\nnot-ignored\nlinks/\n")
    repo.commit()
    repo.put("a.env", "A=1\n").chmod(0o600)
    repo.put("secret.env")
    repo.put("local/deep/x", "deep\n")
    repo.put("build/out")
    repo.put("not-ignored")
    (repo.path / "links").mkdir()
    (repo.path / "links/inside").symlink_to("../a.env")
    (repo.path / "links/outside").symlink_to("/etc/passwd")
    (repo.path / "links/absolute").symlink_to(repo.path / "a.env")
    tree, told = maker(repo).ensure(None, None)
    path = Path(tree.path)
    assert (path / "a.env").read_text() == "A=1\n"
    assert (path / "a.env").stat().st_mode & 0o777 == 0o600
    assert (path / "local/deep/x").read_text() == "deep\n"
    assert os.readlink(path / "links/inside") == "../a.env"
    assert sorted(os.listdir(path / "links")) == ["inside"]
    for name in ("secret.env", "build", "not-ignored"):
        assert not (path / name).exists()
    assert told[-2:] == ["not copied: links/absolute", "not copied: links/outside"]


def test_a_link_in_the_branch_does_not_lead_a_copy_out_of_the_tree(repo, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    repo.git("switch", "-q", "-c", "trap")
    (repo.path / "conf").symlink_to(outside)
    repo.commit()
    repo.git("switch", "-q", "main")
    repo.put(".gitignore", "conf/\n")
    repo.put(".worktreeinclude", "conf/\n")
    repo.commit()
    repo.put("conf/secret")
    _, told = maker(repo).ensure("trap", None)
    assert [*outside.iterdir()] == []
    assert told[-1] == "not copied: conf/secret"


# git itself -------------------------------------------------------------


def test_a_surrounding_repository_does_not_lead_git_elsewhere(repo, tmp_path):
    other = Repo(tmp_path / "other")
    repo.variables |= {"GIT_DIR": f"{other.path}/.git", "GIT_WORK_TREE": str(other.path)}
    repo.variables |= {"GIT_INDEX_FILE": "/nowhere/index", "GIT_QUARANTINE_PATH": "/nowhere"}
    found = repository(repo.handle())
    assert found is not None
    assert found.top == str(repo.path)


def test_git_never_waits_for_a_person_or_for_ever(repo):
    repo.hook("post-checkout", "sleep 600")
    git = repo.handle()
    done = git.call("switch", "-q", "-c", "x", seconds=0.5)
    assert (done.code, "within 0.5 s" in done.fault) == (None, True)
    asking = git.do(["sh", "-c", 'read -r answer && echo "got $answer" || echo nobody'])
    assert asking.out == b"nobody\n"


def test_a_command_that_leaves_something_running_is_not_waited_for(repo, tmp_path):
    """A process that was detached on purpose lives on, and holds nothing up."""
    done = repo.handle().do(["sh", "-c", "sleep 600 & echo $!"])
    pid = int(done.out)
    os.kill(pid, signal.SIGKILL)
    assert done.code == 0


def test_a_command_that_prints_without_end_takes_no_memory(repo):
    done = repo.handle().do(["sh", "-c", "head -c 50000000 /dev/zero; echo end"])
    assert done.code == 0
    assert len(done.out) < 1 << 20
    assert done.out.endswith(b"end\n")


def test_no_repository_is_none_and_nobody_is_asked_and_in_one_no_git_is_an_error(repo, tmp_path):
    nobody = {"PATH": str(tmp_path / "nobody")}
    assert repository(Git(str(tmp_path), nobody)) is None
    below = repo.path / "some" / "where"
    below.mkdir(parents=True)
    for directory in (repo.path, below, repo.path / ".git"):
        with pytest.raises(GitFailed, match="git cannot be started"):
            repository(Git(str(directory), nobody))


def test_what_only_looks_like_a_repository_is_none_as_git_says(tmp_path):
    (tmp_path / ".git").mkdir()
    assert repository(Git(str(tmp_path), {"PATH": os.environ["PATH"]})) is None


def test_a_marker_that_was_torn_makes_the_tree_a_stranger_s(repo):
    ensure(repo)
    (admin(repo) / "ccs").write_text(json.dumps(MARK)[:10])
    with pytest.raises(Conflict, match="did not make"):
        ensure(repo)
