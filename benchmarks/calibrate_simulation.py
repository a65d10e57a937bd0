"""Recorded against simulated: the table of docs/simulation.md.

    python benchmarks/calibrate_simulation.py --data DIR [--seeds 20] [--seed 7]

DIR is a folder of recorded market history. Prints one row per statistic: recorded, the default seed,
and mean and standard deviation over other seeds (two years each, like the recorded period; of the first
subject where a row has several).
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import simulation_statistics as measure

from funding_pipeline.core.market import Market
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market.simulated import SimulatedMarket

START, END = datetime(2023, 7, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)
# The recorded figure that the simulation must not be more generous than is of 2025-01 to 2025-08.
LATE_START, LATE_FROM, LATE_END = (
    datetime(2024, 12, 1, tzinfo=UTC),
    datetime(2025, 1, 1, tzinfo=UTC),
    datetime(2025, 9, 1, tzinfo=UTC),
)
# The recorded books: six minutes of one evening. Simulated ones: the whole period.
BOOK_START, BOOK_END = datetime(2024, 8, 8, tzinfo=UTC), datetime(2024, 8, 9, tzinfo=UTC)
Statistics = dict[str, dict[str, float]]


def statistics(market: Market, *, like: np.ndarray | None) -> Statistics:
    """Every statistic by section. `like`: a recorded panel whose gaps the market is given too."""
    panel = measure.funding_panel(market, START, END)
    if like is not None:
        panel[np.isnan(like)] = np.nan
    closes = measure.close_panel(market, START, END)
    if like is not None:  # Hyperliquid was recorded at 8 h marks
        closes[np.arange(len(closes)) % 8 != 7, 3] = np.nan
    return {
        "Funding levels": measure.funding_levels(panel) | measure.plateau_shares(market, START, END),
        "Common movement": measure.common_movement(panel),
        "Differentials": measure.differentials(panel),
        "Edge": _edge(panel),
        "Hourly returns": measure.hourly_returns(closes),
        "Basis": measure.basis(closes),
        "Turnover and open interest": measure.turnover_and_interest(market, START, END),
        "Books on Binance": _books(market),
    }


def _edge(panel: np.ndarray) -> dict[str, float]:
    windows = [panel[first : first + 730] for first in range(0, len(panel) - 729, 365)]
    return {
        "R2, trailing 336 h mean shrunk by half": measure.forecast_r2(panel, shrink=0.5),
        "R2, mean over windows of 8 months": measure.mean_of(
            measure.forecast_r2(w, shrink=0.5) for w in windows
        ),
        "R2, unshrunk": measure.forecast_r2(panel, shrink=1.0),
        "plain rule, 24 h, % a year": 100 * measure.plain_rule(panel, trailing_hours=24),
        "plain rule, 168 h, % a year": 100 * measure.plain_rule(panel, trailing_hours=168),
        "plain rule without Deribit, 168 h, % a year": 100
        * measure.plain_rule(np.where(np.arange(5)[:, None] == 4, np.nan, panel), trailing_hours=168),
    }


def _books(market: Market) -> dict[str, float]:
    start, end = (START, END) if market.is_simulated else (BOOK_START, BOOK_END)
    return {
        name: value
        for coin in ("BTC", "ETH")
        for name, value in measure.order_book(market, coin, start, end).items()
    }


def rows(recorded: Statistics, default: Statistics, others: list[Statistics]) -> Iterator[str]:
    """Markdown lines of the table; a row holds one statistic of several subjects, in the order named."""
    yield "| statistic | recorded | default seed | other seeds |"
    yield "|---|---|---|---|"
    for section, values in recorded.items():
        yield f"| **{section}** | | | |"
        for title, names in _by_statistic(values).items():
            columns = [
                _cell(values, names),
                _cell(default[section], names),
                _cell(_mean(others, section), names) + _spread(others, section, names),
            ]
            yield f"| {title} | " + " | ".join(columns) + " |"


def _by_statistic(values: Mapping[str, float]) -> dict[str, list[str]]:
    """Names `subject: statistic` put together by statistic, with the subjects in the title."""
    groups: dict[str, list[str]] = {}
    for name in values:
        groups.setdefault(name.split(": ")[-1], []).append(name)
    subjects = {
        rest: [name.split(": ")[0] for name in names if ": " in name] for rest, names in groups.items()
    }
    return {
        f"{rest} ({', '.join(subjects[rest])})" if subjects[rest] else rest: names
        for rest, names in groups.items()
    }


def _cell(values: Mapping[str, float], names: list[str]) -> str:
    return " / ".join(_text(values.get(name, 0.0)) for name in names)


def _mean(others: list[Statistics], section: str) -> dict[str, float]:
    names = {name for other in others for name in other[section]}
    return {name: float(np.mean([other[section].get(name, 0.0) for other in others])) for name in names}


def _spread(others: list[Statistics], section: str, names: list[str]) -> str:
    """Standard deviation over seeds, of the first subject where there are several."""
    values = [other[section].get(names[0], 0.0) for other in others]
    return f" ± {_text(float(np.std(values)))}"


def _text(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 0.1 else f"{value:.2f}"


def late_figure(recorded: RecordedMarket) -> float:
    """The same R2 on 2025-01 to 2025-08, which is what docs and the baselines quote."""
    panel = measure.funding_panel(recorded, LATE_START, LATE_END)
    return measure.forecast_r2(panel, shrink=0.5, first=3 * (LATE_FROM - LATE_START).days)


def main(arguments: Mapping[str, object]) -> None:
    """Measure both and print."""
    recorded = RecordedMarket(Path(str(arguments["data"])))
    panel = measure.funding_panel(recorded, START, END)
    seeds = [int(str(arguments["seed"])), *range(100, 100 + int(str(arguments["seeds"])))]
    simulated = []
    for seed in seeds:
        began = time.perf_counter()
        simulated.append(statistics(SimulatedMarket(seed=seed, start=START, end=END), like=panel))
        print(f"seed {seed}: {time.perf_counter() - began:.1f} s", file=sys.stderr)
    print("\n".join(rows(statistics(recorded, like=None), simulated[0], simulated[1:])))
    print(f"\nRecorded, 2025-01 to 2025-08, R2 shrunk by half: {late_figure(recorded):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of recorded market history")
    parser.add_argument("--seed", type=int, default=7, help="the seed of the third column")
    parser.add_argument("--seeds", type=int, default=20, help="how many other seeds")
    main(vars(parser.parse_args()))
