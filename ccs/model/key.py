"""Run ids are the deduplication: uuid5 over what makes two launches the same launch."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid5

from ccs import instant

_NAMESPACE = UUID("6d1a9f3e-6d0c-5d9f-9a57-3e0f7b8c2a41")


def for_slot(task_id: str, slot: datetime) -> str:
    """A task runs at most once for a UTC minute, on time or as catch-up."""
    return str(uuid5(_NAMESPACE, f"slot {task_id} {instant.text(instant.minute(slot))}"))


def for_boot(task_id: str, boot: str) -> str:
    return str(uuid5(_NAMESPACE, f"boot {task_id} {boot}"))


def for_change(task_id: str, fired_before: str, fingerprint: str) -> str:
    """A state of a watched tree fires once after the firing before it."""
    return str(uuid5(_NAMESPACE, f"change {task_id} {fired_before} {fingerprint}"))


def for_step(job_run: str, task_id: str) -> str:
    return str(uuid5(_NAMESPACE, f"step {job_run} {task_id}"))
