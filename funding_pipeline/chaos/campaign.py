"""Many episodes and their sum: the figures that `funding-pipeline chaos` prints.

What lives here: counting. What does not: an episode (`episode`), or the rules (`audit`, `final_audit`).
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from funding_pipeline.chaos.engines import SelectedMarket, SharedMarket, base_of
from funding_pipeline.chaos.episode import Outcome, Setting, play
from funding_pipeline.chaos.guard_lives import GuardSetting
from funding_pipeline.chaos.lives import MakeExecutor
from funding_pipeline.chaos.scenario import HOUR_MS, Scenario, draw
from funding_pipeline.core.errors import SettingsError
from funding_pipeline.core.market import Market
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.execution.config import ExecutionConfig

VENUES = ("binance", "bybit", "gate", "hyperliquid", "okx")
BASES = ("BTC", "ETH", "SOL")
COUNTED = (
    "duplicate_orders",
    "orders_without_intent",
    "orders_against_verdict",
    "orders_while_halted",
    "orders_in_settlement_window",
    "orders_without_lock",
    "foreign_orders_cancelled",
    "foreign_orders_claimed",
    "unlisted_not_named",
    "statement_mismatches",
    "residual_above_cap",
    "not_settled",
    "executor_failures",
    "guard_failures",
    "testnet_failures",
)
"""Rules; each count is to be zero."""
_SHOWN = 20
_WARM_UP_HOURS = 72


@dataclass
class Totals:
    """Sums over episodes. Money in USD."""

    episodes: int = 0
    orders: int = 0
    fills: int = 0
    payments: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    residual_usd: Decimal = Decimal(0)
    cap_usd: Decimal = Decimal(0)
    unavoidable_usd: Decimal = Decimal(0)
    unreadable: int = 0
    guarded: int = 0
    guard_looks: int = 0
    guard_kills: int = 0
    guard_orders: int = 0
    mishaps: int = 0
    mended_s: float = 0.0
    texts: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """One episode more."""
        self.episodes += 1
        self.orders += outcome.orders
        self.fills += outcome.fills
        self.payments += outcome.payments
        self.faults += outcome.faults
        self.kills += outcome.kills
        self.unreadable += outcome.statements_unreadable
        self._add_guard(outcome)
        self.broken.update(violation.rule for violation in outcome.violations)
        self.residual_usd = max(self.residual_usd, outcome.residual.usd)
        self.cap_usd = max(self.cap_usd, outcome.residual.cap_usd)
        self.unavoidable_usd = max(self.unavoidable_usd, outcome.residual.unavoidable_usd)
        self.texts += [f"episode {outcome.number}: {v.rule}: {v.text}" for v in outcome.violations]

    def _add_guard(self, outcome: Outcome) -> None:
        self.guarded += outcome.guard.is_there
        self.guard_looks += outcome.guard.looks
        self.guard_kills += outcome.guard.kills.total()
        self.guard_orders += outcome.guard.orders
        self.mishaps += len(outcome.guard.mishaps)
        self.mended_s = max(self.mended_s, outcome.guard.longest_s)

    @property
    def is_clean(self) -> bool:
        """No rule was broken."""
        return not self.broken

    def as_json(self, seed: int, seconds: float) -> dict[str, Any]:
        """The figures, the same for the same seed apart from `seconds`."""
        return {
            "episodes": self.episodes,
            "seed": seed,
            "faults": dict(sorted(self.faults.items())),
            "kills": self.kills.total(),
            "kills_by_point": dict(sorted(self.kills.items())),
            "orders": self.orders,
            "fills": self.fills,
            "funding_payments": self.payments,
            **{rule: self.broken[rule] for rule in COUNTED},
            "guarded_episodes": self.guarded,
            "guard_looks": self.guard_looks,
            "guard_kills": self.guard_kills,
            "guard_orders": self.guard_orders,
            "mishaps": self.mishaps,
            "longest_naked_seconds": round(self.mended_s, 1),
            "statements_unreadable": self.unreadable,
            "max_residual_unhedged_usd": float(round(self.residual_usd, 2)),
            "residual_cap_usd": float(round(self.cap_usd, 2)),
            "max_unavoidable_unhedged_usd": float(round(self.unavoidable_usd, 2)),
            "violations": self.texts[:_SHOWN],
            "seconds": round(seconds, 1),
        }


class Campaign:
    """Episodes over one market, made once."""

    def __init__(
        self, market: Market, *, make_executor: MakeExecutor, config: ExecutionConfig, guard: GuardSetting
    ) -> None:
        self._make_executor, self._config, self._guard = make_executor, config, guard
        self._terms = load_venue_terms()
        venues = tuple(venue for venue in VENUES if venue in market.span().venues)
        if len(venues) < 2:
            raise SettingsError(f"the market {market.label} has fewer than two of {', '.join(VENUES)}")
        self.market = SharedMarket(SelectedMarket(market, venues, BASES))
        span = market.span()
        start, end = (
            round(moment.timestamp() * 1000) // HOUR_MS * HOUR_MS for moment in (span.start, span.end)
        )
        self._period = start + _WARM_UP_HOURS * HOUR_MS, end - 24 * HOUR_MS

    def scenario(self, seed: int, number: int) -> Scenario:
        """The scenario of an episode."""
        instruments = self.market.instruments()
        prices = self._prices(self._period[0])
        return draw(seed, number, instruments=instruments, prices=prices, period=self._period)

    def play(self, scenario: Scenario) -> Outcome:
        """Play it with a journal of its own."""
        with journal_folder() as folder:
            setting = Setting(
                self.market, self._make_executor, self._config, self._terms, folder, self._guard
            )
            return play(scenario, setting)

    def _prices(self, at_ms: int) -> Mapping[str, Decimal]:
        venue = next(iter(self.market.quotes))
        quotes = self.market.quotes[venue]
        return {base_of(i.symbol)[0]: quotes.mark(i.symbol, at_ms) for i in quotes.instruments()}


@contextmanager
def journal_folder() -> Iterator[Path]:
    """In memory where the machine offers that: some hundred commits an episode are flushed to it."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def lines(figures: Mapping[str, Any]) -> Sequence[str]:
    """The figures for a person."""
    return [f"{name:<30} {value}" for name, value in figures.items() if name != "violations"] + [
        f"  {text}" for text in figures["violations"]
    ]
