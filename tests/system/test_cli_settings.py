"""ccs settings: described, validated, written whole, and never taken from the environment."""

from __future__ import annotations

import json

import pytest

from ccs.model.settings import Settings
from ccs.model.settingwords import WORDS


def saved(program):
    return json.loads((program.store / "settings.json").read_text())


def by_key(done):
    return {row["key"]: row for row in done.json["settings"]}


def test_every_setting_is_described_in_one_line_and_nothing_else_is():
    assert list(WORDS) == list(Settings.model_fields)
    for words in WORDS.values():
        assert words.endswith(".")
        assert len(words) < 90


def test_the_list_says_where_each_value_comes_from(quick):
    rows = by_key(quick.ok("settings", "list"))
    assert rows["mock_mode"]["origin"] == "file"
    assert (rows["runs_kept"]["value"], rows["runs_kept"]["origin"]) == (200, "default")
    assert rows["CCS_HOME"]["origin"] == "environment"
    assert rows["CCS_HOME"]["value"] == str(quick.store)
    assert rows.keys() == {"CCS_HOME", *WORDS}


def test_what_is_set_holds_and_the_rest_of_the_file_stays_as_it_was(quick):
    quick.settings(mock_mode=True, of_a_later_version={"a": [1]})
    quick.ok("settings", "set", "max_concurrent_tasks", "5")
    quick.ok("settings", "set", "reset_margin", "2m")
    wanted = {"mock_mode": True, "of_a_later_version": {"a": [1]}}
    assert saved(quick) == {
        **{"format": 1, **wanted},
        **{"max_concurrent_tasks": 5, "reset_margin": "2m"},
    }
    assert quick.ok("settings", "unset", "reset_margin", "max_concurrent_tasks").json == {
        "unset": ["reset_margin", "max_concurrent_tasks"]
    }
    assert saved(quick) == {"format": 1, **wanted}
    assert quick("settings", "get", "reset_margin").json["value"] == "1m30s"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_concurrent_tasks", "0"),
        ("max_concurrent_tasks", "none"),
        ("max_concurrent_tasks", "many"),
        ("logs_older_than", "soon"),
        ("approval", "perhaps"),
        ("claude_path", "claude"),
        ("claude_path", "/nowhere/claude"),
        ("notifications", "{}"),
        ("CCS_HOME", "/tmp"),
        ("format", "2"),
        ("theme", "dark"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(quick, key, value):
    before = quick.snapshot()
    assert quick("settings", "set", key, value).code == 2
    assert quick.snapshot() == before


def test_a_misspelt_key_is_answered_with_the_one_that_was_meant(quick):
    done = quick("settings", "get", "max-concurrent-task")
    assert (done.code, "max_concurrent_tasks" in done.error["hint"]) == (2, True)


def test_a_profile_is_named_and_its_id_is_written(quick):
    profile = quick.ok("profiles", "create", "--name", "work", "-q").out.strip()
    quick.ok("settings", "set", "default_profile", "work")
    assert saved(quick)["default_profile"] == profile
    assert quick("settings", "set", "default_profile", "nobody").code == 3
    quick.ok("settings", "set", "default_profile", "none")
    assert saved(quick)["default_profile"] is None


def test_no_variable_overrides_a_setting_and_one_that_looks_like_it_is_named(quick):
    done = quick("settings", "list", CCS_MAX_CONCURRENT_TASKS="9")
    assert by_key(done)["max_concurrent_tasks"]["value"] == 3
    assert "$CCS_MAX_CONCURRENT_TASKS changes nothing" in done.err


def test_a_file_of_the_prior_system_lends_no_mock_mode_and_shows_no_secrets(quick):
    prior = {"mock_mode": True, "unmask_env_vars": True, "theme": "dark", "max_concurrent_tasks": 7}
    quick.files({"store/settings.json": json.dumps(prior)})
    done = quick.ok("settings", "list")
    rows = by_key(done)
    assert rows["max_concurrent_tasks"]["value"] == 7
    assert rows["mock_mode"]["value"] is False
    assert "mock_mode of the prior system is not taken over" in done.err
    assert "unmask_env_vars of the prior system is not taken over" in done.err
    quick.ok("settings", "set", "runs_kept", "50")
    assert "mock_mode" not in saved(quick)
    assert saved(quick)["theme"] == "dark"
    assert json.loads((quick.store / "settings.json.format-0").read_text()) == prior
    quick.ok("settings", "unset", "unmask_env_vars", "theme")
    assert saved(quick) == {"format": 1, "max_concurrent_tasks": 7, "runs_kept": 50}


def test_a_later_format_is_read_and_not_written(quick):
    quick.files({"store/settings.json": '{"format": 9, "runs_kept": 50}'})
    before = quick.snapshot()
    assert quick("settings", "set", "runs_kept", "60").code == 6
    assert quick("settings", "unset", "runs_kept").code == 6
    assert quick.snapshot() == before


def test_a_wrong_value_can_be_set_right_and_taken_out_by_the_command(quick):
    quick.files({"store/settings.json": '{"format": 1, "runs_kept": "x", "mock_mode": true}'})
    done = quick("settings", "list")
    assert (done.code, done.error["hint"]) == (
        6,
        "ccs settings unset runs_kept, or mend it by hand",
    )
    assert quick("settings", "set", "max_concurrent_tasks", "4").code == 2
    quick.ok("settings", "unset", "runs_kept")
    assert saved(quick) == {"format": 1, "mock_mode": True}


def test_channels_are_neither_listed_nor_edited(quick):
    url = "https://hooks.example/T0/secret-part"
    quick.ok("notify", "add", "team", "slack", "--url", url)
    assert url not in quick.ok("settings", "list").out
    done = edited(quick, "cat")
    assert "runs_kept" in done.out
    assert url not in done.out


def edited(program, *editor):
    """`editor`: a shell line that gets the path of the text as $1."""
    script = program.root / "editor"
    script.write_text("#!/bin/sh\n" + " ".join(editor) + ' "$1"\n')
    script.chmod(0o755)
    return program("settings", "edit", EDITOR=str(script), TMPDIR=str(program.root))


def test_editing_writes_only_what_was_changed(quick):
    done = edited(quick, 'sed -i \'s/"runs_kept": 200/"runs_kept": 70/\'')
    assert [row["key"] for row in done.json["settings"]] == ["runs_kept"]
    assert saved(quick) == {"format": 1, "mock_mode": True, "runs_kept": 70}
    edited(quick, "sed -i '/\"runs_kept\"/d'")
    assert saved(quick) == {"format": 1, "mock_mode": True}


@pytest.mark.parametrize("line", ["s/200/-1/", "s/runs_kept/runs_keptt/", "1d"])
def test_an_edit_that_makes_no_sense_changes_nothing_and_keeps_the_text(quick, line):
    before = quick.snapshot()
    done = edited(quick, f"sed -i '{line}'")
    assert done.code == 2
    assert quick.snapshot() == before
    kept = done.err.splitlines()[0].removeprefix("what you wrote is kept in ")
    with open(kept) as file:
        assert "max_concurrent_tasks" in file.read()


def test_an_edit_does_not_undo_what_was_set_meanwhile(quick):
    other = f"{quick.program} settings set runs_kept 90 >&2; sed -i 's/200/70/'"
    assert edited(quick, other).code == 4
    assert saved(quick)["runs_kept"] == 90


def test_the_path_is_told_without_a_store(quick):
    quick.env["CCS_HOME"] = str(quick.root / "none")
    assert quick.ok("settings", "path").out == f"{quick.root / 'none'}/settings.json\n"
    assert not (quick.root / "none").exists()
