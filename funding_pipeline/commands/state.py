"""`funding-pipeline state`: how trading stands, in one look that can be believed at three in the night.

What lives here: which processes run, the newest look at the accounts with its age, profit, the exit code.
What does not: reading the journal (`trading.overview`), changing anything (`governance`).

Ages are by this machine's clock: the market's stands still with its testnet. Exit codes: 0 all is well; 1
something needs a person; 2 an error; 3 nothing is running.
"""

import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from funding_pipeline.commands.console import console
from funding_pipeline.commands.supervision import noted_processes
from funding_pipeline.core.governance import TradingState
from funding_pipeline.market.choice import market_time
from funding_pipeline.settings import Settings
from funding_pipeline.storage.process_identity import has_ended
from funding_pipeline.trading.account_look import AccountLook
from funding_pipeline.trading.governance_actions import open_journal
from funding_pipeline.trading.overview import Overview, overview

Row = dict[str, Any]
WELL, NEEDS_SOMEBODY, NOTHING_RUNS = 0, 1, 3
_COLOURS: dict[TradingState, str] = {"ACTIVE": "green", "REDUCING": "yellow", "HALTED": "red"}
_NEAR = 0.8


def show_state(settings: Settings, *, as_json: bool, watch_seconds: float | None = None) -> int:
    """Print how trading stands, again and again with `watch_seconds`; the exit code of the last look."""
    if watch_seconds is None:
        report = look(settings)
        if as_json:
            sys.stdout.write(json.dumps(report, indent=1) + "\n")
        else:
            console.print(shown(report))
        return int(report["exit_code"])
    try:
        with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
            while True:
                report = look(settings)
                live.update(shown(report), refresh=True)
                time.sleep(watch_seconds)
    except KeyboardInterrupt:
        return int(report["exit_code"])


def look(settings: Settings) -> Row:
    """Everything that is shown, as JSON knows it: times ISO 8601, UTC; ages in seconds of this machine."""
    settings = settings.to_trade()
    setup, clock, now = settings.trading_setup(), market_time(settings.testnet), datetime.now(UTC)
    with open_journal(setup, clock) as journal:
        seen = overview(journal, setup, speed=1.0 if clock is None else clock.speed, real_now=now)
    processes = _processes(settings, seen)
    runs = any(row["is_running"] for row in processes)
    report = {
        "checked_at": now.isoformat(),
        "is_running": runs,
        "processes": processes,
        "market_at": None if clock is None else seen.at.isoformat(),
        **_governance(seen),
        "look": None if seen.look is None else _look(seen, seen.look, now),
        "profit_today_usd": asdict(seen.today),
        "profit_since_start_usd": asdict(seen.since_start),
    }
    needs = list(_needs(seen, runs=runs))
    code = NOTHING_RUNS if not runs else NEEDS_SOMEBODY if needs else WELL
    return {"headline": _headline(seen, runs=runs, needs=needs), "exit_code": code, "needs": needs, **report}


def _processes(settings: Settings, seen: Overview) -> list[Row]:
    """What `up` started, the guard and the testnet also where somebody started them alone."""
    noted = noted_processes(settings.state_dir)
    beat = seen.heartbeat
    if beat is not None and beat.holder is not None:
        noted["guard"] = beat.holder
    rows = [{"name": name, "is_running": not has_ended(identity)} for name, identity in noted.items()]
    testnet = settings.testnet
    if testnet is not None:
        rows = [row for row in rows if row["name"] != "local testnet"]
        rows.append({"name": "local testnet", "is_running": market_time(testnet) is not None})
    if seen.executing is not None:
        rows.append({"name": f"executor ({seen.executing})", "is_running": True})
    return sorted(rows, key=lambda row: str(row["name"]))


def _needs(seen: Overview, *, runs: bool) -> list[str]:
    """What a person should look at, the worst first."""
    found = [] if seen.state.state == "ACTIVE" else [f"trading is {seen.state.state}: {seen.state.reason}"]
    held = [] if seen.look is None else list(seen.look.legs)
    if not runs and held:
        found.append(f"{len(held)} legs are held and nobody watches them: start `make up`, or `flatten`")
    if runs and seen.guard.stops:
        found.append(seen.guard.line())
    if seen.unresolved and seen.executing is None:
        found.append(f"{seen.unresolved} orders of unknown outcome")
    if seen.look is not None:
        found += [f.title for f in seen.look.findings if f.severity == "critical"]
        found += [f"{v.venue} cannot be read: {v.problem}" for v in seen.look.venues if v.problem]
        found += [f"{u.name} is used to {u.fraction:.0%}" for u in seen.look.limits if (u.fraction or 0) > 1]
    return found


def _headline(seen: Overview, *, runs: bool, needs: list[str]) -> str:
    if not runs:
        return "nothing is running" + (f"; {needs[-1]}" if needs else "")
    return f"{seen.state.state}; {needs[0]}" if needs else f"{seen.state.state}, all is well"


def _governance(seen: Overview) -> Row:
    return {
        "trading": seen.mode,
        "state": seen.state.state,
        "since": seen.state.since.isoformat(),
        "by": seen.state.by,
        "reason": seen.state.reason,
        "history": [
            {"state": r.state, "since": r.since.isoformat(), "by": r.by, "reason": r.reason}
            for r in seen.history
        ],
        "guard_age_seconds": seen.guard_age_seconds,
        "guard_status": None if seen.heartbeat is None else seen.heartbeat.status,
        "guard_is_fresh": not seen.guard.stops,
        "armed_until": None if seen.armed_until is None else seen.armed_until.isoformat(),
        "limits_version": seen.limits_version,
        "tightened": seen.tightened,
        "unresolved_orders": seen.unresolved,
        "executing": seen.executing,
        "alerts": [
            {
                "key": alert.key,
                "raised_at": alert.raised_at.isoformat(),
                "severity": alert.severity,
                "title": alert.title,
                "action": alert.action,
            }
            for alert in seen.alerts
        ],
    }


def _look(seen: Overview, found: AccountLook, now: datetime) -> Row:
    """The newest look: of the guard, or of whoever closed or rebalanced since."""
    assert seen.looked_at is not None
    by_base: dict[str, list[Row]] = {}
    for leg in found.legs:
        by_base.setdefault(leg.base, []).append(asdict(leg))
    return {
        "by": seen.looked_by,
        "at": found.at.isoformat(),
        "age_seconds": max((now - seen.looked_at).total_seconds(), 0.0),
        "equity_usd": found.equity_usd,
        "venues": [asdict(venue) for venue in found.venues],
        "pairs": [
            {"base": base, "net_usd": found.base_net_usd.get(base), "legs": legs}
            for base, legs in sorted(by_base.items())
        ],
        "limits": [asdict(use) | {"fraction": use.fraction} for use in found.limits],
        "findings": [asdict(finding) for finding in found.findings],
    }


# --- for a person
def shown(report: Row) -> RenderableType:
    """The report as a person reads it: the headline, then what is held, then the rest."""
    colour = "red" if not report["is_running"] else _COLOURS[report["state"]]
    parts: list[RenderableType] = [f"[bold {colour}]{escape(report['headline'])}[/]"]
    parts += [f"  [yellow]{escape(need)}[/]" for need in report["needs"]]
    parts.append(escape(_processes_line(report)))
    parts.append(
        escape(
            f"{report['trading']} trading; {report['state']} since {_moment(report['since'])} "
            f"by {report['by']}: {report['reason']}"
        )
    )
    parts += _of_the_look(report)
    parts.append(_table("profit, USD", [_profit("today", report), _profit("since start", report)]))
    parts.append(escape(_orders_line(report)))
    alerts = [
        {"raised at": _moment(a["raised_at"]), "": a["severity"], "what": a["title"], "do": a["action"]}
        for a in report["alerts"]
    ]
    parts.append(_table("last alerts", alerts))
    return Group(*parts)


def _processes_line(report: Row) -> str:
    rows = [f"{row['name']} {'runs' if row['is_running'] else 'DOWN'}" for row in report["processes"]]
    age = report["guard_age_seconds"]
    sign = "the guard has never looked" if age is None else f"the guard's last sign of life {_age(age)} ago"
    return f"processes: {', '.join(rows) or 'none was ever started'}; {sign}"


def _of_the_look(report: Row) -> list[RenderableType]:
    found = report["look"]
    if found is None:
        return ["nobody has looked at the accounts yet"]
    lines: list[RenderableType] = [
        f"accounts as {escape(str(found['by']))} saw them {_age(found['age_seconds'])} ago "
        f"({_moment(found['at'])} of the market): equity {_usd(found['equity_usd'])} USD"
    ]
    legs = [
        {
            "base": pair["base"],
            "venue": leg["venue"],
            "quantity": leg["quantity"],
            "USD": _usd(leg["notional_usd"]),
            "to liquidation": _share(leg["liquidation_distance_fraction"]),
            "not hedged, USD": _usd(pair["net_usd"]) if number == 0 else "",
            "": "" if leg["is_listed"] else "not listed",
        }
        for pair in found["pairs"]
        for number, leg in enumerate(pair["legs"])
    ]
    venues = [
        {
            "venue": v["venue"],
            "equity": _usd(v["equity_usd"]),
            "gross": _usd(v["gross_usd"]),
            "net": _usd(v["net_usd"]),
            "margin": _share(v["margin_fraction"]),
            "nearest liquidation": _share(v["nearest_liquidation_fraction"]),
            "": v["problem"],
        }
        for v in found["venues"]
    ]
    limits = [
        {"limit": u["name"], "used": _number(u["used"]), "of": _number(u["limit"]), "": _share(u["fraction"])}
        for u in found["limits"]
        if u["fraction"] is None or u["fraction"] >= _NEAR
    ]
    lines += [_table("held, by base", legs), _table("venues", venues)]
    lines.append(_table("limits used to 80 % and more, or not known", limits))
    return lines


def _profit(when: str, report: Row) -> Row:
    found = report["profit_today_usd" if when == "today" else "profit_since_start_usd"]
    return {"": when} | {name: _usd(value) for name, value in found.items()}


def _orders_line(report: Row) -> str:
    tightened = ", ".join(f"{name} {value:g}" for name, value in report["tightened"].items())
    armed = "" if report["armed_until"] is None else f"; armed until {_moment(report['armed_until'])}"
    return (
        f"orders of unknown outcome: {report['unresolved_orders']}; limits {report['limits_version']}"
        + (f", tightened: {tightened}" if tightened else "")
        + armed
    )


def _table(title: str, rows: list[Row]) -> RenderableType:
    if not rows:
        return f"{title}: none"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    return table


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:,.6g}" if isinstance(value, float) else str(value)


def _usd(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.2f}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.6g}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0%}"


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"


def _age(seconds: float) -> str:
    whole = timedelta(seconds=round(seconds))
    return f"{seconds:.1f} s" if seconds < 120 else f"{whole}"
