"""Calendar schedules are cron expressions in other words, so that both treat the clocks alike."""

from __future__ import annotations

from ccs.model.schedule import Calendar


def expression(schedule: Calendar) -> str:
    hour, minute = (int(part) for part in schedule.calendar_time.split(":"))
    at = f"{minute} {hour}"
    if schedule.calendar_frequency == "daily":
        return f"{at} * * *"
    if schedule.calendar_frequency == "weekly":
        # Cron counts from Sunday.
        days = sorted((day + 1) % 7 for day in set(schedule.calendar_days_of_week))
        return f"{at} * * {','.join(map(str, days))}"
    day = schedule.calendar_day_of_month
    return f"{at} {'L' if day == 'last' else day} * *"
