"""What is secret does not leave, wherever it stands; what only looks like one of ours does."""

from __future__ import annotations

import json
from datetime import timedelta

import prior_files as files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_records import JOB, NOW, PLACE, TASK, families

from ccs.exchange import document, masking, reading
from ccs.exchange.notes import Here
from ccs.model.job import Job, WorkingDirectory
from ccs.model.task import Task
from ccs.redact import redacted
from ccs.text import MASK

HERE = Here("Asia/Tokyo", "/home/me")
KNOWN = "correct horse battery"
# Put together here, so that no scanner takes this file for a leak.
TOKENS = [
    "sk-" + "ant-api03-" + "a1B2" * 8,
    "gh" + "p_" + "a1B2" * 9,
    "AK" + "IA" + "ABCD" * 4,
    "xo" + "xb-" + "1234567890-abcdef",
    "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIabc\n-----END RSA " + "PRIVATE KEY-----",
]
BORN = dict.fromkeys(("created_at", "updated_at", "active_since"), NOW)


def hide(text):
    return redacted(text.replace(KNOWN, MASK))


def task(**fields):
    return Task.checked({"id": files.TASK, "name": "x", "prompt": "x", **BORN, **fields})


def sent(task, job=None):
    found = document.build(job, [task], [], NOW)
    return found, masking.mask(found, hide)


def back(found):
    (parcel,) = reading.read(json.loads(json.dumps(found)), HERE, NOW + timedelta(days=1))
    return parcel


# Names of things, and places: a value that stands there as well is no secret.
NO_TEXTS = {
    *("model", "fallback_model", "working_directory", "add_dirs", "path"),
    *("worktree_name", "worktree_branch", "approved", "disabled_why", "after"),
}


def test_every_field_that_holds_a_text_is_masked_or_names_something():
    """Those that are no text cannot hold one: the model would refuse it."""

    def takes_any_text(kind, fields, name):
        odd = f"any {KNOWN}"
        for value in (odd, [odd]):
            try:
                kind.checked({**fields, name: value})
            except Exception:
                continue
            return True
        return False

    base = task().record()
    found = {name for name in TASK if takes_any_text(Task, base, name)}
    job = {"id": files.JOB, "name": "x", "working_directory": {"path": "/x"}, **BORN}
    found |= {name for name in JOB if takes_any_text(Job, job, name)}
    found |= {name for name in PLACE if takes_any_text(WorkingDirectory, {"path": "/x"}, name)}
    assert found - NO_TEXTS == masking.TEXTS
    assert len(found) > 10


@pytest.mark.parametrize("secret", [*TOKENS, KNOWN])
@pytest.mark.parametrize("field", sorted(masking.TEXTS & Task.model_fields.keys()))
def test_no_text_of_a_task_carries_a_secret_out(field, secret):
    whole = f"use {secret} there".replace("\n", " " if field == "name" else "\n")
    listed = isinstance(getattr(task(), field), list)
    found, told = sent(task(**{field: [whole] if listed else whole}))
    text = json.dumps(found)
    assert not any(part in text for part in (secret, json.dumps(secret)[1:-1], secret[-20:]))
    assert [one.partition(": ")[2] for one in told] == [field]
    assert found["ccs"]["masked"] == {"tasks": {files.TASK: [field]}}
    parcel = back(found)
    assert parcel.tasks[0].disabled_why and field in parcel.tasks[0].disabled_why
    assert any(f": {field}: a secret was masked" in note for note in parcel.notes)


@pytest.mark.parametrize("secret", TOKENS[:4])
def test_a_secret_by_its_form_leaves_from_nowhere(secret):
    place = {"path": f"/x/{secret}", "worktree_setup": f"T={secret} make"}
    stamps = {"created_at": NOW, "updated_at": NOW}
    job = Job.checked({"id": files.JOB, "name": "j", "working_directory": place, **stamps})
    watch = {"schedule_type": "file_watch", "watch_directory": f"/{secret}"}
    one = task(job_id=files.JOB, schedule=watch, add_dirs=[secret], unknown={"deep": [secret]})
    found, told = sent(one, job)
    assert secret not in json.dumps(found)
    assert told[0] == "job 'j': working_directory"
    assert {one.partition(": ")[2] for one in told[1:]} == {"schedule", "add_dirs", "unknown"}
    parcel = back(found)
    assert "working_directory of its job" in parcel.tasks[0].disabled_why


def test_a_value_that_names_a_model_or_a_place_is_no_secret_there():
    found = document.build(None, [task(working_directory="/sonnet", prompt="sonnet")], [], NOW)
    told = masking.mask(found, lambda text: text.replace("sonnet", MASK))
    (read,) = back(found).tasks
    assert (told, read.model, read.working_directory) == (
        ["task 'x': prompt"],
        "sonnet",
        "/sonnet",
    )


def test_who_puts_the_secret_back_into_the_file_brings_it_in_whole():
    found, _ = sent(task(prompt=f"use {TOKENS[0]}", enabled=True))
    assert back(found).tasks[0].disabled_why
    found["tasks"][0]["prompt"] = "use another"
    (read,) = back(found).tasks
    assert (read.disabled_why, read.enabled) == (None, True)


@pytest.mark.parametrize(
    ("prompt", "is_mask"),
    [(MASK, True), (f"a {MASK}, b", True), (f"/*{MASK}*/", False), ("*" * 40, False)],
)
def test_a_mask_counts_also_where_no_list_tells_of_it(prompt, is_mask):
    (parcel,) = reading.read(files.exported(tasks=[files.task(prompt=prompt)]), HERE, NOW)
    assert bool(parcel.tasks[0].disabled_why) == is_mask


def test_a_mask_in_what_is_bold_is_known_by_the_list():
    found, _ = sent(task(prompt=f"**{TOKENS[1]}**"))
    assert found["tasks"][0]["prompt"] == f"**{MASK}**"
    assert back(found).tasks[0].disabled_why


@given(families(), st.just(hide))
@settings(max_examples=15, deadline=None)
def test_what_holds_no_secret_leaves_as_it_is(family, hide):
    job, tasks = family
    found = document.build(job, tasks, [], NOW)
    before = json.dumps(found)
    assert (masking.mask(found, hide), json.dumps(found)) == ([], before)
