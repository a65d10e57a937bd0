"""One venue's `Quotes` from a market's rows, recorded or simulated.

What lives here: which instruments are served, and putting the pieces together per symbol, when it is
first asked for. What does not: the pieces (`prices`, `funding_schedule`, `liquidity`, `listing`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
import polars as pl

from funding_pipeline.core.errors import UnknownInstrumentError
from funding_pipeline.market_data.instruments import PerpetualSymbol, parse_symbol
from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.engine.values import Book, Instrument, PublicTrade
from funding_pipeline.testnet.funding_schedule import FundingSchedule
from funding_pipeline.testnet.hourly_bars import closes, hourly_bars
from funding_pipeline.testnet.liquidity import Liquidity, on_tick
from funding_pipeline.testnet.listing import listed
from funding_pipeline.testnet.prices import FollowingPrices, Prices, TradePrices, grouped
from funding_pipeline.testnet.quotes import CandleKind
from funding_pipeline.testnet.raw_market import Floats, RawMarket, Times

_RATE_PLACES = 10
# Open interest where the market does not tell it: some hours of a week's mean turnover (an assumption).
_OPEN_INTEREST_HOURS = 12.0


@dataclass(frozen=True)
class _Pieces:
    """Everything about one symbol."""

    trade: TradePrices
    mark: Prices
    index: Prices
    funding: FundingSchedule
    liquidity: Liquidity
    open_interest: tuple[Times, Floats]

    def prices(self, kind: CandleKind) -> Prices:
        return {"trade": self.trade, "mark": self.mark, "index": self.index}[kind]


class MarketQuotes:
    """`Quotes` of `venue`: linear perpetuals that have trade candles and funding in the market.

    Pieces are built per symbol at first use; a look-up afterwards is a binary search.
    """

    def __init__(self, market: RawMarket, venue: str) -> None:
        self._market, self._venue = market, venue
        self._pieces: dict[str, _Pieces] = {}

    @property
    def venue(self) -> str:
        """Name of the venue, as in tables."""
        return self._venue

    def instruments(self) -> tuple[Instrument, ...]:
        """Every perpetual that is served, by symbol."""
        return self._instruments

    def unserved(self) -> Mapping[str, str]:
        """Perpetuals of the market that are not served, with the reason."""
        return dict(self._sorted_out[1])

    def mark(self, symbol: str, time: int) -> Decimal:
        """Mark price, on the tick."""
        return on_tick(self._of(symbol).mark.at(time), self._terms[symbol].tick)

    def index(self, symbol: str, time: int) -> Decimal:
        """Index price, on the tick."""
        return on_tick(self._of(symbol).index.at(time), self._terms[symbol].tick)

    def last(self, symbol: str, time: int) -> Decimal:
        """Last trade price, on the tick."""
        return on_tick(self._of(symbol).trade.at(time), self._terms[symbol].tick)

    def book(self, symbol: str, time: int) -> Book:
        """Fifty levels a side around the last price."""
        return self._of(symbol).liquidity.book(time)

    def trades(self, symbol: str, time: int, limit: int) -> tuple[PublicTrade, ...]:
        """The last `limit` (at most 1,000) trades at or before `time`, oldest first."""
        return self._of(symbol).liquidity.trades(time, min(max(limit, 0), 1000))

    def candles(self, symbol: str, kind: CandleKind, start: int, end: int, hours: int = 1) -> pl.DataFrame:
        """Bars with `start <= open_time < end`; a bar that closes after `end` is as it looks just before."""
        length = hours * HOUR_MS
        hourly = self._of(symbol).prices(kind).candles(-(-start // length) * length, end)
        bars = grouped(hourly, hours)
        return bars if kind == "trade" else bars.with_columns(volume=pl.lit(0.0))

    def settled(self, symbol: str, start: int, end: int) -> pl.DataFrame:
        """Settlements with `start <= time <= end`: time, rate, interval_hours."""
        return self._of(symbol).funding.settled(start, end)

    def next_settlement(self, symbol: str, time: int) -> int:
        """The first settlement strictly after `time`."""
        return self._of(symbol).funding.next_settlement(time)

    def estimate(self, symbol: str, time: int) -> Decimal:
        """The venue's estimate at `time` of the coming rate, ten decimals."""
        return Decimal(f"{self._of(symbol).funding.estimate(time):.{_RATE_PLACES}f}").normalize() + 0

    def premium(self, symbol: str, time: int) -> Decimal:
        """(mark - index) / index, ten decimals, from the prices before they are put on the tick."""
        pieces = self._of(symbol)
        index = pieces.index.at(time)
        return Decimal(f"{(pieces.mark.at(time) - index) / index:.{_RATE_PLACES}f}")

    def interval_hours(self, symbol: str, time: int) -> float:
        """Hours of the interval that ends with the next settlement."""
        return self._of(symbol).funding.interval(time)

    def open_interest(self, symbol: str, time: int) -> Decimal:
        """Open contracts in quoted base units, on the step."""
        times, values = self._of(symbol).open_interest
        place = max(int(np.searchsorted(times, time, "right")) - 1, 0)
        return on_tick(float(values[place]), self._terms[symbol].step)

    def open_interest_history(self, symbol: str, start: int, end: int) -> pl.DataFrame:
        """Hourly rows with `start <= time <= end`: time, open_interest (quoted base units)."""
        times, values = self._of(symbol).open_interest
        first, last = np.searchsorted(times, start), np.searchsorted(times, end, "right")
        return pl.DataFrame({"time": times[first:last], "open_interest": values[first:last]})

    # --- which instruments
    @cached_property
    def _instruments(self) -> tuple[Instrument, ...]:
        served, _ = self._sorted_out
        return tuple(self._listed(symbol, parsed) for symbol, parsed in sorted(served.items()))

    @cached_property
    def _terms(self) -> Mapping[str, Instrument]:
        return {item.symbol: item for item in self._instruments}

    @cached_property
    def _sorted_out(self) -> tuple[Mapping[str, PerpetualSymbol], Mapping[str, str]]:
        candles, funding = self._market.candles(self._venue), self._market.funding(self._venue)
        symbols = {symbol for symbol, kind in candles if kind != "spot"} | {symbol for symbol, _ in funding}
        served: dict[str, PerpetualSymbol] = {}
        refused: dict[str, str] = {}
        for symbol in sorted(symbols):
            try:
                parsed = parse_symbol(symbol)
            except UnknownInstrumentError as error:
                refused[symbol] = str(error)
                continue
            if parsed.contract_type != "linear":
                refused[symbol] = "inverse: its margin and profit are in the base, which is not served"
            elif (symbol, "trade") not in candles:
                refused[symbol] = "the market has no trade candles of it"
            elif not {(symbol, "settled"), (symbol, "predicted")} & set(funding):
                refused[symbol] = "the market has no funding of it"
            else:
                served[symbol] = parsed
        return served, refused

    def _listed(self, symbol: str, parsed: PerpetualSymbol) -> Instrument:
        bars = self._market.candles(self._venue)[symbol, "trade"]
        price = float(np.median(bars["close"].to_numpy()))
        first = int(bars["open_time"][0])
        return listed(self._venue, symbol, parsed, typical_price=price, listed_at=first)

    # --- building the pieces
    def _of(self, symbol: str) -> _Pieces:
        found = self._pieces.get(symbol)
        if found is None:
            found = self._pieces[symbol] = self._build(self._terms[symbol])
        return found

    def _build(self, terms: Instrument) -> _Pieces:
        symbol, end = terms.symbol, self._market.end
        parsed = parse_symbol(symbol)
        candles = self._market.candles(self._venue)
        funding = self._market.funding(self._venue)
        unit = self._unit(terms)
        index_times, index_values = self._market.index(parsed.base)
        index = (index_times, index_values * parsed.multiplier)
        bars = hourly_bars(candles[symbol, "trade"], index, volume_unit=unit)
        places = max(-int(terms.tick.adjusted()), 0)
        trade = TradePrices(f"{self._venue} {symbol}", bars, market_end=end, places=places)
        mark_rows = candles.get((symbol, "mark"))
        snapshots = self._market.order_books(self._venue).get((symbol,))
        return _Pieces(
            trade=trade,
            mark=trade
            if mark_rows is None
            else FollowingPrices(trade, *closes(mark_rows, bars), market_end=end, places=places),
            index=FollowingPrices(trade, *_whole_hours(index), market_end=end, places=places),
            funding=FundingSchedule.of(
                funding.get((symbol, "settled")), funding.get((symbol, "predicted")), market_end=end
            ),
            liquidity=Liquidity(terms, trade, snapshots, unit=unit),
            open_interest=self._open_interest(symbol, trade),
        )

    def _unit(self, terms: Instrument) -> float:
        """Quoted base units per unit of the market's volumes: a simulated OKX counts coins."""
        in_coins = self._venue == "okx" and self._market.is_simulated
        return 1.0 if in_coins else float(terms.contract_size)

    def _open_interest(self, symbol: str, trade: TradePrices) -> tuple[Times, Floats]:
        told = self._market.open_interest(self._venue).get((symbol,))
        if told is not None and told.height:
            return told["time"].to_numpy(), told["open_interest"].to_numpy()
        weekly = pl.Series(trade.bars.volume).rolling_mean(168, min_samples=1).to_numpy()
        return trade.bars.open_time + HOUR_MS, np.maximum(weekly * _OPEN_INTEREST_HOURS, 1e-9)


def _whole_hours(index: tuple[Times, Floats]) -> tuple[Times, Floats]:
    times, values = index
    whole = times % HOUR_MS == 0
    return times[whole], values[whole]
