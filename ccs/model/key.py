"""Run ids are the deduplication: uuid5 over what makes two launches the same launch."""

from __future__ import annotations

from datetime import datetime

from ccs import instant

_NAMESPACE = "6d1a9f3e-6d0c-5d9f-9a57-3e0f7b8c2a41"


def for_slot(task_id: str, slot: datetime) -> str:
    """A task runs at most once for a UTC minute, on time or as catch-up."""
    return _id_of(f"slot {task_id} {instant.text(instant.minute(slot))}")


def for_boot(task_id: str, boot: str) -> str:
    return _id_of(f"boot {task_id} {boot}")


def for_change(task_id: str, fired_before: str, fingerprint: str) -> str:
    """A state of a watched tree fires once after the firing before it."""
    return _id_of(f"change {task_id} {fired_before} {fingerprint}")


def for_follower(run_id: str, kind: str, number: int) -> str:
    """The retry or the resume of a run: each number once, whoever records it."""
    return _id_of(f"{kind} {run_id} {number}")


def for_window(task_id: str, account: str, window: str, resets_at: datetime) -> str:
    """A task that goes by a usage window runs once in each, or once at each reset."""
    at = instant.text(instant.minute(resets_at))
    return _id_of(f"window {task_id} {account} {window} {at}")


def for_step(job_run: str, task_id: str) -> str:
    return _id_of(f"step {job_run} {task_id}")


def _id_of(name: str) -> str:
    from uuid import UUID, uuid5  # not for a tick that makes no run

    return str(uuid5(UUID(_NAMESPACE), name))
