"""What the anomaly detector said on days that everybody remembers, and how often it cried on other days.

Builds the feature panel of recorded data up to --until and prints: each event with the market's severity, the
first alarm and its reasons; alarm episodes of the market on other days, per month and year; alarms of single
instruments per instrument and month. Thresholds were chosen on 2021 and 2022; 2023 and 2024 confirm them.

    python benchmarks/anomaly_events.py --data ../shared/market_data --until 2025-01-01
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from funding_pipeline.core.clock import decision_schedule
from funding_pipeline.features.panel import build_features
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market_data.normalization import market_tables
from funding_pipeline.models.anomalies import ALARM, INSTRUMENT_LEVELS, MARKET_LEVELS, NONE, anomalies
from funding_pipeline.models.market_readings import MARKET
from funding_pipeline.models.market_severity import episodes, market_severity
from funding_pipeline.models.regimes import market_regime

_DAYS_PER_MONTH = 30.44
_EPISODE_ENDS_AFTER = timedelta(hours=72)


@dataclass(frozen=True)
class Event:
    """Days, UTC, both included."""

    name: str
    first: datetime
    last: datetime

    @property
    def end(self) -> datetime:
        """After the last day."""
        return self.last + timedelta(days=1)


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


EVENTS = (
    Event("crash of 2021-05-19", _day("2021-05-19"), _day("2021-05-19")),
    Event("FTX", _day("2022-11-08"), _day("2022-11-11")),
    Event("USDC depeg", _day("2023-03-10"), _day("2023-03-12")),
    Event("2024-08-05", _day("2024-08-05"), _day("2024-08-05")),
)


def panel_of(folder: Path, until: datetime, every_hours: int = 8) -> pl.DataFrame:
    """Features of every decision time before `until`, of rows known before it."""
    last = until - timedelta(seconds=1)
    tables = market_tables(RecordedMarket(folder)).as_known_at(last)
    start = tables.settled_funding.select(pl.col("settled_at").min()).collect().item()
    return build_features(tables, as_of=decision_schedule(start=start, end=last, every_hours=every_hours))


def event_rows(severities: pl.DataFrame, regimes: pl.DataFrame) -> list[str]:
    """One line per event and day, and the first alarm with its reasons."""
    lines = []
    for event in EVENTS:
        inside = severities.filter(pl.col("as_of").is_between(event.first, event.end, closed="left"))
        alarms = inside.filter(pl.col("severity") == ALARM)
        first = f"first alarm {alarms['as_of'][0]:%Y-%m-%d %H:%M}" if alarms.height else "NO ALARM"
        lines.append(f"{event.name}: {first}, {alarms.height} of {inside.height} decision times")
        for day, found in inside.group_by(pl.col("as_of").dt.date(), maintain_order=True):
            own = regimes.filter(pl.col("as_of").dt.date() == day[0])["regime"].to_list()
            lines.append(f"  {day[0]} {' / '.join(map(str, found['severity']))}; {' / '.join(own)}")
        lines += [f"  {alarms['reason'][0]}"] if alarms.height else []
    return lines


def market_rates(severities: pl.DataFrame) -> list[str]:
    """Alarm episodes that begin on no event's day and follow none, per month; shares of the time."""
    judged = severities.drop_nulls("severity")
    groups = episodes(judged.filter(pl.col("severity") == ALARM)["as_of"], apart=_EPISODE_ENDS_AFTER)
    lines, total_false, total_months = [], 0, 0.0
    for year in sorted(set(judged["as_of"].dt.year())):
        rows = judged.filter(pl.col("as_of").dt.year() == year)
        days = rows["as_of"].dt.date().n_unique() - sum(_days_in(event, year) for event in EVENTS)
        false = [group for group in groups if group[0].year == year and not _is_known(group)]
        months = days / _DAYS_PER_MONTH
        if months < 0.5:
            continue
        total_false, total_months = total_false + len(false), total_months + months
        lines.append(
            f"{year}: {len(false)} false episodes in {months:.1f} months, "
            f"{len(false) / months:.2f} per month; "
            + ", ".join(f"{name} {share:.1%}" for name, share in _shares(rows).items())
        )
        lines += [f"    {group[0]:%Y-%m-%d %H:%M} to {group[-1]:%Y-%m-%d %H:%M}" for group in false]
    rate = total_false / total_months if total_months else 0.0
    return [*lines, f"all: {total_false} in {total_months:.1f} months, {rate:.2f} per month"]


def _is_known(group: Sequence[datetime]) -> bool:
    return any(event.first <= at < event.end for event in EVENTS for at in group)


def _days_in(event: Event, year: int) -> int:
    return (event.end - event.first).days if event.first.year == year else 0


def _shares(rows: pl.DataFrame) -> dict[str, float]:
    return {
        name: rows.filter(pl.col("severity") == name).height / rows.height
        for name in ("notice", "warning", "alarm")
    }


def instrument_rates(features: pl.DataFrame) -> list[str]:
    """Alarm rows (instrument x decision time) and alarm episodes per instrument and month, by year."""
    found = anomalies(features).filter(pl.col("venue") != MARKET, pl.col("severity") == ALARM)
    found = found.filter(~_on_event_days())
    unique = found.select("as_of", "venue", "symbol").unique().sort("venue", "symbol", "as_of")
    lines = []
    for year in sorted(set(features["as_of"].dt.year())):
        rows = features.filter(pl.col("as_of").dt.year() == year, ~_on_event_days())
        per = rows.group_by("venue", "symbol").agg(pl.col("as_of").dt.date().n_unique().alias("days"))
        months = float(per["days"].sum()) / _DAYS_PER_MONTH
        if months < 1:
            continue
        own = unique.filter(pl.col("as_of").dt.year() == year)
        begun = sum(
            len(episodes(group["as_of"], apart=_EPISODE_ENDS_AFTER))
            for _, group in own.group_by("venue", "symbol", maintain_order=True)
        )
        lines.append(
            f"{year}: {own.height / months:.2f} alarm rows and {begun / months:.2f} alarm episodes per "
            f"instrument and month ({months:.0f} instrument months)"
        )
    by_feature = found.group_by("feature").len().sort("len", descending=True)
    return [*lines, "by feature: " + ", ".join(f"{name} {count}" for name, count in by_feature.iter_rows())]


def _on_event_days() -> pl.Expr:
    inside = [pl.col("as_of").is_between(event.first, event.end, closed="left") for event in EVENTS]
    return pl.any_horizontal(inside)


def main() -> None:
    """Print what the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recorded market data")
    parser.add_argument(
        "--until", type=_day, default=_day("2025-01-01"), help="UTC date; nothing known from then on enters"
    )
    arguments = parser.parse_args()
    features = panel_of(arguments.data, arguments.until)
    severities, regimes = market_severity(features), market_regime(features)
    print(f"thresholds: market {MARKET_LEVELS}, instruments {INSTRUMENT_LEVELS}; {NONE} below")
    for title, lines in (
        ("\nEvents", event_rows(severities, regimes)),
        ("\nMarket alarms on other days", market_rates(severities)),
        ("\nInstrument alarms on other days", instrument_rates(features)),
    ):
        print(title)
        print("\n".join(lines))


if __name__ == "__main__":
    main()
