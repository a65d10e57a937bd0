"""Dates on the command line."""

from datetime import UTC, datetime, timedelta

from funding_pipeline.core.errors import SettingsError
from funding_pipeline.core.horizons import NEXT_SETTLEMENT

_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")


def parse_moment(text: str, *, option: str) -> datetime:
    """A date (its first moment) or a time, UTC; raises SettingsError naming the option."""
    for form in _FORMATS:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise SettingsError(f"{option} {text!r} is no date: write 2025-01-31 or 2025-01-31T08:00 (UTC)")


def parse_period(start: str, end: str) -> tuple[datetime, datetime]:
    """`--from` and `--to`; a date as `--to` means the end of that day. Raises SettingsError."""
    first, last = parse_moment(start, option="--from"), parse_moment(end, option="--to")
    if len(end.strip()) == len("2025-01-31"):
        last += timedelta(days=1) if last.year < 9999 else timedelta(0)
    if last <= first:
        raise SettingsError(f"--to {end} does not lie after --from {start}")
    return first, last


def parse_horizon(text: str, *, option: str, most: int = 8760) -> int:
    """Hours as `parse_hours`, or `next` for the next settlement alone."""
    if text.strip().lower() == "next":
        return NEXT_SETTLEMENT
    return parse_hours(text, option=option, most=most)


def parse_hours(text: str, *, option: str, most: int = 8760) -> int:
    """Whole hours from `8h`, `7d` or `8`, at most `most`; raises SettingsError naming the option."""
    stripped = text.strip().lower()
    number, unit = (stripped[:-1], stripped[-1]) if stripped[-1:] in ("h", "d") else (stripped, "h")
    if not number.isdigit() or len(number) > 6 or int(number) == 0:
        raise SettingsError(f"{option} {text!r} is no duration: write 8h, 168h or 7d")
    hours = int(number) * (24 if unit == "d" else 1)
    if hours > most:
        raise SettingsError(f"{option} {text!r} is too long: at most {most}h")
    return hours
