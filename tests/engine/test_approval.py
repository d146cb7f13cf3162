"""A repository that learns to run something by itself: its tasks wait for a person."""

from __future__ import annotations

import json

import pytest
from histories import at, task, uid

from ccs.engine import again, edit, tasks
from ccs.errors import InvalidInput
from ccs.host import trust

HOOKS = {"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": "make"}]}]}}


@pytest.fixture
def repository(tmp_path):
    place = tmp_path / "repository"
    (place / ".claude").mkdir(parents=True)
    return place


@pytest.fixture
def made(store, repository):
    fields = {"name": "t", "prompt": "x", "working_directory": str(repository)}
    schedule = {"schedule_type": "cron", "cron": "*/15 * * * *", "timezone": "UTC"}
    return tasks.create(store, {**fields, "schedule": schedule}, at("20 10:00"))


def change(repository, name=".claude/settings.json", content=HOOKS):
    (repository / name).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".claude/settings.json", HOOKS),
        (".claude/settings.local.json", HOOKS),
        (".claude/settings.json", {"apiKeyHelper": "make key"}),
        (".claude/settings.json", {"env": {"BASH_ENV": "evil.sh"}}),
        (".claude/settings.json", {"disableAllHooks": False}),
        (".claude/settings.json", {"somethingNew": {"command": "make"}}),
        (".mcp.json", {"mcpServers": {"x": {"command": "sh"}}}),
        ("../.mcp.json", {"mcpServers": {"x": {"command": "sh"}}}),
        (".mcp.json", "{"),
    ],
)
def test_what_it_could_start_has_changed_so_nothing_starts(night, made, repository, name, content):
    change(repository, name, content)
    [run_id] = night.tick("20 10:15").launched
    assert not night.started(run_id)
    found = night.store.runs.get(run_id)
    assert (found.status, found.held_reason) == ("upcoming", "approval")
    assert night.tick("20 10:16").launched == []


@pytest.mark.parametrize("content", [{"model": "opus"}, {"permissions": {"allow": ["Bash"]}}])
def test_settings_that_start_nothing_are_nobody_s_business(night, made, repository, content):
    change(repository, content=content)
    [run_id] = night.tick("20 10:15").launched
    assert night.started(run_id)


@pytest.mark.parametrize("name", [".claude/settings.json", ".claude/settings.local.json"])
def test_what_they_allow_counts_for_a_task_that_may_not_do_everything(
    night, made, repository, name
):
    tasks.update(night.store, made.id, {"permissions": "default"}, at("20 10:05"))
    change(repository, name, {"permissions": {"allow": ["Bash"]}})
    [run_id] = night.tick("20 10:15").launched
    assert not night.started(run_id)


def test_local_settings_are_read_at_the_top_of_the_main_repository_too(tmp_path):
    main, tree = tmp_path / "main", tmp_path / "tree"
    for place in (main / ".claude", main / ".git/worktrees/tree", tree / "deep"):
        place.mkdir(parents=True)
    (main / ".git/worktrees/tree/commondir").write_text("../..\n")
    (tree / ".git").write_text(f"gitdir: {main}/.git/worktrees/tree\n")
    before = trust.fingerprint(str(tree / "deep"))
    change(main, ".claude/settings.local.json")
    assert trust.fingerprint(str(tree / "deep")) != before
    assert not trust.adds_to(str(tree), str(main), everything_allowed=False)
    change(tree, ".mcp.json", {"mcpServers": {}})
    assert trust.adds_to(str(tree), str(main), everything_allowed=True)


def test_approved_it_goes_on_and_the_next_run_too(night, made, repository):
    change(repository)
    [run_id] = night.tick("20 10:15").launched
    assert not night.started(run_id)
    tasks.approve(night.store, made.id, at("20 10:20"))
    assert night.tick("20 10:21").launched == [run_id]
    assert night.started(run_id)
    night.end(run_id, message=None)
    [following] = night.tick("20 10:30").launched
    assert night.started(following)


def test_what_changes_again_after_it_was_approved_waits_again(night, made, repository):
    change(repository)
    tasks.approve(night.store, made.id, at("20 10:10"))
    change(repository, ".mcp.json", {"mcpServers": {}})
    [run_id] = night.tick("20 10:15").launched
    assert not night.started(run_id)


def test_a_copy_is_not_approved_by_being_made(night, made, repository):
    change(repository)
    copy = edit.duplicate(night.store, made.id, None, at("20 10:05"))
    tasks.update(night.store, copy.id, {"enabled": True}, at("20 10:06"))
    for run_id in night.tick("20 10:15").launched:
        assert not night.started(run_id)


def test_what_was_approved_is_no_field_to_edit(night, made):
    told = json.loads(edit.text(made))
    assert "approved" not in told
    changed = edit.replace(night.store, made, edit.fields(json.dumps(told), made), at("20 10:05"))
    assert changed.approved == made.approved
    with pytest.raises(InvalidInput, match="written by ccs itself"):
        edit.fields(json.dumps({**told, "approved": None}), made)


def test_turned_off_it_frees_what_was_held(night, made, repository):
    change(repository)
    [run_id] = night.tick("20 10:15").launched
    assert not night.started(run_id)
    night.settings(approval=False)
    assert night.tick("20 10:16").launched == [run_id]
    assert night.started(run_id)


def test_settings_can_turn_it_off(night, made, repository):
    night.settings(approval=False)
    change(repository)
    [run_id] = night.tick("20 10:15").launched
    assert night.started(run_id)


def test_tasks_from_before_there_was_such_a_thing_are_not_held(night, repository):
    change(repository)
    night.store.tasks.put(task(1, "*/15 * * * *", working_directory=str(repository)))
    [run_id] = night.tick("20 10:15").launched
    assert night.started(run_id)
    assert night.store.tasks.get(uid(1)).approved is None


def test_another_directory_is_another_agreement(night, made, tmp_path):
    other = tmp_path / "other"
    (other / ".claude").mkdir(parents=True)
    change(other)
    tasks.update(night.store, made.id, {"working_directory": str(other)}, at("20 10:05"))
    [run_id] = night.tick("20 10:15").launched
    assert night.started(run_id)


def test_the_order_of_keys_and_spaces_mean_nothing(repository):
    (repository / ".mcp.json").write_text('{"a": 1, "b": 2}')
    before = trust.fingerprint(str(repository))
    (repository / ".mcp.json").write_text('{ "b":2,"a":1 }')
    assert trust.fingerprint(str(repository)) == before


def test_a_pipe_or_an_endless_file_in_its_place_is_not_waited_for(night, made, repository):
    import os

    os.mkfifo(repository / ".mcp.json")
    [run_id] = night.tick("20 10:15").launched
    assert not night.started(run_id)


def test_a_repeated_run_is_approved_with_its_task(night, made, repository):
    [first] = night.tick("20 10:15").launched
    assert night.started(first)
    night.end(first, message=None)
    change(repository)
    tasks.approve(night.store, made.id, at("20 10:20"))
    night.now = at("20 10:21")
    run = again.restart(night.store, first, False, night.now, {})
    assert night.started(run.id)


def test_what_goes_on_elsewhere_than_its_task_is_approved_as_it_stands(night, made, tmp_path):
    [first] = night.tick("20 10:15").launched
    assert night.started(first)
    night.end(first, message=None)
    other = tmp_path / "tree"
    (other / ".claude").mkdir(parents=True)
    change(other)
    night.store.runs.put(night.store.runs.get(first).changed(cwd=str(other)))
    night.now = at("20 10:20")
    run = again.proceed(night.store, first, "more", False, night.now, {})
    assert not night.started(run.id)
    tasks.approve(night.store, made.id, at("20 10:21"))
    assert night.tick("20 10:22").launched == [run.id]
    assert night.started(run.id)
