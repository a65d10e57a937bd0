"""OKX's reference data: instruments, funding, marks, open interest, margin tiers.

What lives here: `/public/*`, `/rubik/*` and `/system/*`. What does not: prices over time (`market`).
"""

from collections.abc import Mapping
from decimal import Decimal

import polars as pl

from funding_pipeline.testnet.dialects.okx.market import Handler
from funding_pipeline.testnet.dialects.okx.wire import (
    Parameters,
    Row,
    contracts,
    family,
    find,
    find_family,
    inst_id,
    page_size,
    parameter_error,
    success,
    success_array,
    text,
    whole,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument
from funding_pipeline.testnet.http import Answer
from funding_pipeline.testnet.rendering import RenderedFunding, plain, seen_at

_HOUR_MS = 3_600_000
_PERIOD_HOURS: Mapping[str, int] = {"1H": 1, "1D": 24}
_PAGE = 100
# OKX's last tier ends at a size that nobody reaches; it always names one.
_ENDLESS = Decimal(1_000_000_000_000)
_ESTIMATE_OFF_BY = 1.0625


class PublicData:
    """Handlers of `/api/v5/public/*`, `/rubik/*`, `/system/*`; all GET and without keys."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange, self._quotes = exchange, exchange.quotes
        self._settled = RenderedFunding(exchange.quotes, _settled_rows)

    def routes(self) -> Mapping[str, Handler]:
        """Path below `/api/v5/` to handler; all GET."""
        return {
            "public/time": self.time,
            "public/instruments": self.instruments,
            "public/funding-rate": self.funding_rate,
            "public/funding-rate-history": self.funding_history,
            "public/mark-price": self.mark_prices,
            "public/open-interest": self.open_interests,
            "public/position-tiers": self.tiers,
            "rubik/stat/contracts/open-interest-history": self.open_interest_history,
            "system/status": lambda _: success([]),
        }

    def time(self, parameters: Parameters) -> Answer:
        """The market's time."""
        return success([{"ts": str(self._exchange.now())}])

    def instruments(self, parameters: Parameters) -> Answer:
        """Swaps only: other kinds of instrument give an empty list."""
        if parameters.get("instType") not in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"):
            raise parameter_error("instType")
        states = {True: "suspend", False: "live"}
        return success(
            [
                _instrument(instrument, states[self._exchange.is_halted(instrument.symbol)])
                for instrument in self._chosen(parameters)
            ]
        )

    def funding_rate(self, parameters: Parameters) -> Answer:
        """The estimate of the coming settlement, of one swap or of `ANY`."""
        if parameters.get("instId") == "ANY":
            return success([self._funding(instrument) for instrument in self._exchange.instruments()])
        return success([self._funding(find(self._exchange, parameters.get("instId")))])

    def funding_history(self, parameters: Parameters) -> Answer:
        """Settlements with `before < time < after`, newest first. An `until` is not a parameter here."""
        instrument = find(self._exchange, parameters.get("instId"))
        now = self._exchange.now()
        rows = self._settled.array(
            instrument.symbol,
            start=whole(parameters, "before", -1) + 1,
            end=whole(parameters, "after", now + 1) - 1,
            now=now,
            limit=page_size(parameters, _PAGE),
            keep="newest",
            order="descending",
        )
        return success_array(rows)

    def mark_prices(self, parameters: Parameters) -> Answer:
        """Mark prices; an instrument by name needs no `instType`."""
        now = self._exchange.now()
        chosen = parameters if not parameters.get("instId") else {**parameters, "instType": "SWAP"}
        return success(
            [
                {
                    "instId": inst_id(instrument),
                    "instType": "SWAP",
                    "markPx": text(self._quotes.mark(instrument.symbol, now)),
                    "ts": str(seen_at(self._quotes, now)),
                }
                for instrument in self._chosen(chosen)
            ]
        )

    def open_interests(self, parameters: Parameters) -> Answer:
        """`oi` in contracts, `oiCcy` in coins."""
        now = self._exchange.now()
        rows = []
        for instrument in self._chosen(parameters):
            coins = self._quotes.open_interest(instrument.symbol, now)
            rows.append(
                {
                    "instId": inst_id(instrument),
                    "instType": "SWAP",
                    "oi": contracts(instrument, coins),
                    "oiCcy": text(coins),
                    "oiUsd": text(coins * self._quotes.mark(instrument.symbol, now)),
                    "ts": str(seen_at(self._quotes, now)),
                }
            )
        return success(rows)

    def open_interest_history(self, parameters: Parameters) -> Answer:
        """[time, contracts, coins, USD] with `begin < time < end`, newest first."""
        instrument = find(self._exchange, parameters.get("instId"))
        hours = _PERIOD_HOURS.get(str(parameters.get("period", "5m")))
        if hours is None:
            raise parameter_error("period")
        now = self._exchange.now()
        history = self._quotes.open_interest_history(
            instrument.symbol,
            whole(parameters, "begin", -1) + 1,
            min(whole(parameters, "end", now + 1) - 1, now),
        ).filter(pl.col("time") % (hours * _HOUR_MS) == 0)
        newest = history.reverse().head(page_size(parameters, _PAGE))
        return success(
            [self._interest_row(instrument, int(time), Decimal(str(coins))) for time, coins in newest.rows()]
        )

    def tiers(self, parameters: Parameters) -> Answer:
        """Margin tiers. `minSz` and `maxSz` are contracts, at the mark of now: the engine's are notional."""
        if parameters.get("instType") != "SWAP" or parameters.get("tdMode") not in ("cross", "isolated"):
            raise parameter_error("instType" if parameters.get("instType") != "SWAP" else "tdMode")
        named = str(parameters.get("instFamily") or parameters.get("uly") or "")
        return success(self._tiers(find_family(self._exchange, named)))

    def _chosen(self, parameters: Parameters) -> list[Instrument]:
        """Swaps that the filters leave."""
        if parameters.get("instType") != "SWAP":
            return []
        if parameters.get("instId"):
            return [find(self._exchange, parameters["instId"])]
        wanted = parameters.get("instFamily") or parameters.get("uly")
        return [i for i in self._exchange.instruments() if not wanted or wanted == family(i)]

    def _funding(self, instrument: Instrument) -> Row:
        now = self._exchange.now()
        symbol = instrument.symbol
        coming = self._quotes.next_settlement(symbol, now)
        interval = round(self._quotes.interval_hours(symbol, now) * _HOUR_MS)
        before = self._quotes.settled(symbol, now - 2 * 24 * _HOUR_MS, now)
        return {
            "formulaType": "withRate",
            "fundingRate": text(self._quotes.estimate(symbol, now)),
            "fundingTime": str(coming),
            "impactValue": "",
            "instId": inst_id(instrument),
            "instType": "SWAP",
            "interestRate": text(instrument.interest_per_8h),
            "maxFundingRate": text(instrument.rate_cap),
            "method": "current_period",
            "minFundingRate": text(-instrument.rate_cap),
            "nextFundingRate": "",
            "nextFundingTime": str(coming + interval),
            "premium": text(self._quotes.premium(symbol, now)),
            "settFundingRate": "" if before.is_empty() else text(Decimal(str(before["rate"][-1]))),
            "settState": "settled",
            "ts": str(seen_at(self._quotes, now)),
        }

    def _interest_row(self, instrument: Instrument, time: int, coins: Decimal) -> list[str]:
        value = coins * self._quotes.mark(instrument.symbol, time)
        return [str(time), contracts(instrument, coins), text(coins), text(value)]

    def _tiers(self, instrument: Instrument) -> list[Row]:
        contract_value = instrument.contract_size * self._quotes.mark(instrument.symbol, self._exchange.now())
        rows: list[Row] = []
        floor = "0"
        for number, tier in enumerate(instrument.tiers, start=1):
            cap = text(((tier.cap or _ENDLESS) / contract_value).quantize(Decimal("0.01")))
            rows.append(
                {
                    "baseMaxLoan": "",
                    "imr": text((1 / Decimal(tier.max_leverage)).quantize(Decimal("0.000001"))),
                    "instFamily": family(instrument),
                    "instId": "",
                    "maxLever": str(tier.max_leverage),
                    "maxSz": cap,
                    "minSz": floor,
                    "mmr": text(tier.maintenance_rate),
                    "optMgnFactor": "0",
                    "quoteMaxLoan": "",
                    "tier": str(number),
                    "uly": family(instrument),
                }
            )
            floor = cap
        return rows


def _instrument(instrument: Instrument, state: str) -> Row:
    """One swap. `baseCcy` and `quoteCcy` are empty for contracts; the names are in `uly` and `ctValCcy`."""
    return {
        "alias": "",
        "baseCcy": "",
        "category": "1",
        "ctMult": "1",
        "ctType": "linear",
        "ctVal": text(instrument.contract_size),
        "ctValCcy": instrument.quoted,
        "expTime": "",
        "instFamily": family(instrument),
        "instId": inst_id(instrument),
        "instType": "SWAP",
        "lever": str(max(tier.max_leverage for tier in instrument.tiers)),
        "listTime": str(instrument.listed_at),
        "lotSz": contracts(instrument, instrument.step),
        "minSz": contracts(instrument, instrument.min_quantity),
        "optType": "",
        "quoteCcy": "",
        "ruleType": "normal",
        "settleCcy": instrument.settle,
        "state": state,
        "stk": "",
        "tickSz": text(instrument.tick),
        "uly": family(instrument),
    }


def _settled_rows(settled: pl.DataFrame) -> pl.Series:
    """Objects with the rate paid in `realizedRate`.

    The real `fundingRate` is the estimate before the settlement, another number; here it is left a little
    off on purpose, so that a client which reads the wrong field is found out.
    """
    name = str(settled["symbol"][0]).split(":")[0].replace("/", "-")
    head = f'{{"instType":"SWAP","instId":"{name}-SWAP","method":"current_period","formulaType":"withRate",'
    row = pl.concat_str(
        pl.lit(head + '"fundingRate":"'),
        plain(pl.col("rate") * _ESTIMATE_OFF_BY, 16),
        pl.lit('","realizedRate":"'),
        plain(pl.col("rate"), 16),
        pl.lit('","fundingTime":"'),
        pl.col("time").cast(pl.String),
        pl.lit('"}'),
    )
    return settled.select(row.alias("row"))["row"]
