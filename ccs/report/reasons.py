"""Every status and reason of a run as a sentence for people."""

from __future__ import annotations

from ccs.model.run import Run

# What a status and a reason say; a waiting run's reason is why it is held.
SENTENCES: dict[tuple[str, str | None], str] = {
    ("upcoming", None): "It is recorded and starts with the next tick.",
    ("upcoming", "overlap"): "It waits until the task's other run has ended.",
    ("upcoming", "limit"): "It waits for a usage limit to reset.",
    ("upcoming", "reserve"): "It waits because the rest of the usage window is reserved.",
    ("upcoming", "budget"): "It waits because its budget for this period is spent.",
    ("upcoming", "outage"): "It waits because the login or the credit of its account fails.",
    ("upcoming", "concurrency"): "It waits for a place: as many runs go on as may at once.",
    ("upcoming", "hours"): "It waits for the hours in which it may start.",
    ("upcoming", "retry"): "It waits for the pause before another try to pass.",
    ("upcoming", "approval"): "It waits: what its repository starts changed (ccs tasks approve).",
    ("running", None): "It is running.",
    ("success", None): "It succeeded.",
    ("success", "denied"): "It succeeded, but was denied some of the tools it asked for.",
    ("success", "wrapped_up"): "It ended early and in order, because the usage limit was near.",
    ("failed", "error"): "It failed: the client reported an error.",
    ("failed", "auth"): "It failed: the API did not accept its login.",
    ("failed", "billing"): "It failed: the account cannot pay.",
    ("failed", "overloaded"): "It failed: the API was overloaded.",
    ("failed", "rate_limited"): "It failed: too many requests at once, which is no usage limit.",
    ("failed", "network"): "It failed: the API could not be reached.",
    ("failed", "timeout"): "It failed: it was not done when its time ran out.",
    ("failed", "hung"): "It failed: it showed no sign of life for too long.",
    ("failed", "max_turns"): "It failed: it used up its turns.",
    ("failed", "max_budget"): "It failed: it used up the money it may spend.",
    ("failed", "prompt_too_long"): "It failed: its prompt is too long for the model.",
    ("failed", "model_not_found"): "It failed: there is no such model, or not for this account.",
    ("failed", "bad_request"): "It failed: the API refused the request.",
    ("failed", "verify_failed"): "It failed: what it did was not verified.",
    ("failed", "start_failed"): "It failed: the client refused its arguments or never began.",
    ("failed", "env_failed"): "It failed: a variable of its profile could not be had.",
    ("failed", "workdir_missing"): "It failed: its working directory is not there.",
    ("failed", "killed"): "It failed: something other than ccs ended it by a signal.",
    ("limited", "usage_limit"): "It met a usage limit, which is no failure.",
    ("cancelled", "stopped"): "It was cancelled: somebody stopped it.",
    ("cancelled", "replaced"): "It was cancelled: a later run of the task took its place.",
    ("lost", "crash"): "It was lost: its supervisor and client died without a result.",
    ("lost", "shutdown"): "It was lost: the machine was shut down while it ran.",
    ("skipped", "overlap"): "It was skipped: the run before it was still going on.",
    ("skipped", "missed"): "It was missed: no tick came in time (machine off, asleep, no cron).",
    ("skipped", "expired"): "It was skipped: it had waited past its grace.",
    ("skipped", "disabled"): "It was skipped: the task was disabled while it waited.",
    ("skipped", "hours"): "It was skipped: outside the hours in which the task may start.",
    ("skipped", "over_budget"): "It was skipped: its budget is spent.",
    ("skipped", "max_runs"): "It was skipped: the task has run as often as it may.",
    ("skipped", "open"): "It was skipped: the usage window it was to open was open already.",
    ("skipped", "after"): "It was skipped: a step of its job that comes before it has failed.",
}


def sentence(run: Run) -> str:
    reason = run.held_reason if run.status == "upcoming" else run.reason
    known = SENTENCES.get((run.status, reason))
    return known or f"It is {run.status}: {reason or 'no reason was recorded'}."
