"""ccxt's Hyperliquid class without what spends money or loses rows.

What lives here: the subclass. What does not: our own spellings of its answers (`hyperliquid`).
"""

import json
import re
from functools import cache
from typing import Any

from funding_pipeline.core.errors import VenueAnswerError, VenueRefusedError
from funding_pipeline.venues.dialect import Json
from funding_pipeline.venues.spelling import HOUR_MS

PAYMENTS_PAGE = 500
FILLS_PAGE = 2000
_KIND_FRESH_MS, _EMPTY_FRESH_MS = 60_000, 5_000
_ON_SPOT_SIDE = {
    **dict.fromkeys(("unifiedAccount", "portfolioMargin"), True),
    **dict.fromkeys(("default", "disabled", "dexAbstraction"), False),
}
"""Kinds of account (`userAbstraction`), and whether collateral is in the spot balances."""
SPENDING_ACTIONS = frozenset({"approveBuilderFee", "setReferrer"})
_THOUSANDS = re.compile(r"^k[A-Z]")


def leverage_tiers(meta: Json, name: str) -> list[Json]:
    """ccxt's tiers of one coin from the venue's `meta`.

    Maintenance margin is half of the initial margin at a bracket's highest leverage: 40x pays 1.25 %.
    """
    coin = next(item for item in meta["universe"] if item["name"] == name)
    tables = {int(number): table["marginTiers"] for number, table in meta.get("marginTables", [])}
    single = [{"lowerBound": "0", "maxLeverage": coin["maxLeverage"]}]
    rows = tables.get(int(coin.get("marginTableId") or 0), single)
    ends = [float(row["lowerBound"]) for row in rows[1:]] + [None]
    return [
        {
            "tier": number,
            "currency": "USDC",
            "minNotional": float(row["lowerBound"]),
            "maxNotional": end,
            "maintenanceMarginRate": 0.5 / float(row["maxLeverage"]),
            "maxLeverage": float(row["maxLeverage"]),
            "info": row,
        }
        for number, (row, end) in enumerate(zip(rows, ends, strict=True), start=1)
    ]


def _is_on_spot_side(kind: Any) -> bool:
    """Raises VenueAnswerError for a kind of account that is not known: its balance could be anywhere."""
    word = kind.strip('"') if isinstance(kind, str) else ""
    if word not in _ON_SPOT_SIDE:
        raise VenueAnswerError(f"hyperliquid: kind of account {kind!r} is none of {', '.join(_ON_SPOT_SIDE)}")
    return _ON_SPOT_SIDE[word]


@cache
def frugal_class() -> type:
    """Made on demand: importing ccxt takes half a second."""
    import ccxt.async_support as ccxt

    class FrugalHyperliquid(ccxt.hyperliquid):  # type: ignore[misc]
        """ccxt's class without what costs money, and with thousands (kPEPE) left as they are spelt."""

        def describe(self) -> Any:
            """No currencies (one request less); a refused key is an authentication error, not an order's."""
            changes = {
                "has": {"fetchCurrencies": False, "fetchLeverageTiers": True},
                "exceptions": {
                    "broad": {
                        "User or API Wallet ": ccxt.AuthenticationError,
                        "Must deposit before performing actions": ccxt.AuthenticationError,
                    }
                },
            }
            return self.deep_extend(super().describe(), changes)

        async def initialize_client(self) -> bool:
            """ccxt runs the next two here before every order, and asks once more for the account's kind."""
            return True

        async def is_unified_enabled(
            self, method: str, address: Any = None, shouldRefresh: bool = False, params: Any = None
        ) -> list[Any]:
            """Whether collateral is on the spot side, asked again after a minute.

            ccxt takes an answer that it cannot read for a no, and keeps what it found for good.
            """
            now, asked = self.milliseconds(), self.options.get("ownKindOfAccount")
            if asked is None or not 0 <= now - asked[0] < _KIND_FRESH_MS:
                request = {"type": "userAbstraction", "user": address or self.walletAddress}
                asked = (now, _is_on_spot_side(await self.publicPostInfo(request)))
                self.options["ownKindOfAccount"] = asked
            return [asked[1], params or {}]

        async def fetch_balance(self, params: Any = None) -> Any:
            """Asked of the other side too where there is nothing: the kind of account may have changed."""
            found = await super().fetch_balance(params or {})
            asked_ms, _ = self.options["ownKindOfAccount"]
            if any(found["total"].values()) or self.milliseconds() - asked_ms < _EMPTY_FRESH_MS:
                return found
            del self.options["ownKindOfAccount"]
            return await super().fetch_balance(params or {})

        async def handle_builder_fee_approval(self) -> bool:
            """ccxt approves 0.01 % (or 0 %) for its own builder here and then attaches it to every order."""
            return True

        async def set_ref(self) -> bool:
            """ccxt signs up for its own referral code here."""
            return True

        def sign(self, path: str, api: Any = "public", method: str = "GET", params: Any = None) -> Any:
            """The last gate before the wire. Raises VenueRefusedError for anything that spends money."""
            action = (params or {}).get("action") or {}
            if action.get("type") in SPENDING_ACTIONS or "builder" in action:
                raise VenueRefusedError(f"hyperliquid: refused to send {action['type']} with a builder's fee")
            return super().sign(path, api, method, params or {})

        def safe_currency_code(self, currency_id: Any, currency: Any = None) -> Any:
            """ccxt makes KPEPE of kPEPE, which then reads as another coin instead of 1000 PEPE."""
            if currency_id is not None and _THOUSANDS.match(currency_id):
                return currency_id
            return super().safe_currency_code(currency_id, currency)

        async def fetch_leverage_tiers(self, symbols: Any = None, params: Any = None) -> Any:
            """By symbol; ccxt has none for this venue, though its `meta` tells them."""
            await self.load_markets()
            meta = await self.publicPostInfo({"type": "meta", **(params or {})})
            markets = [self.market(symbol) for symbol in symbols or self.markets]
            return {item["symbol"]: leverage_tiers(meta, item["baseName"]) for item in markets}

        async def leverage_now(self, symbol: str) -> Json:
            """`type` (cross or isolated) and `value` of the account's setting, also without a position."""
            await self.load_markets()
            request = {"type": "activeAssetData", "user": self.walletAddress}
            told = await self.publicPostInfo({**request, "coin": self.market(symbol)["baseName"]})
            return dict(told["leverage"])

        async def fetch_funding_history(
            self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = None
        ) -> Any:
            """Payments of one coin, complete: a page holds those of all coins, and ccxt asks for one page.

            Asked for one coin, ccxt gives its name to the payments of all others, too.
            """
            rows = await self._whole("userFunding", PAYMENTS_PAGE, since, params)
            if symbol is None:
                return self.parse_incomes(rows, None, since, limit)
            market = self.market(symbol)
            own = [row for row in rows if row["delta"]["coin"] == market["baseName"]]
            return self.parse_incomes(own, market, since, limit)

        async def fetch_my_trades(
            self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = None
        ) -> Any:
            """Fills of one coin, complete; the venue keeps the account's last 10,000."""
            rows = await self._whole("userFillsByTime", FILLS_PAGE, since, params)
            return self.parse_trades(rows, self.market(symbol) if symbol else None, since, limit)

        async def _whole(self, kind: str, page: int, since: int | None, params: Any) -> list[Json]:
            await self.load_markets()
            request: Json = {"type": kind, "user": self.walletAddress, "startTime": since or 0}
            if (params or {}).get("until") is not None:
                request["endTime"] = params["until"]
            found: dict[str, Json] = {}
            while True:
                rows = await self.publicPostInfo(request)
                known = len(found)
                found |= {json.dumps(row, sort_keys=True): row for row in rows}
                if len(rows) < page:
                    return list(found.values())
                if len(found) == known:
                    raise VenueAnswerError(f"hyperliquid: {kind}: more than {page} rows at one moment")
                request["startTime"] = rows[-1]["time"]

        def parse_order_status(self, status: Any) -> Any:
            """`scheduledCancel` and its like are endings, too."""
            ended = isinstance(status, str) and status.lower().endswith(("cancel", "canceled", "cancelled"))
            return "canceled" if ended else super().parse_order_status(status)

        def parse_income(self, income: Any, market: Any = None) -> Any:
            """Dated at the hour; without id, for every payment has the same hash of zeros."""
            payment = super().parse_income(income, market)
            hour = payment["timestamp"] // HOUR_MS * HOUR_MS
            return {**payment, "id": None, "timestamp": hour, "datetime": self.iso8601(hour)}

        async def create_order(
            self,
            symbol: str,
            type: str,  # noqa: A002 (as ccxt names it)
            side: str,
            amount: Any,
            price: Any = None,
            params: Any = None,
        ) -> Any:
            """A market order without a price takes the best opposite one; ccxt adds its 5 % to that."""
            if type == "market" and price is None:
                book = await self.fetch_order_book(symbol)
                levels = book["asks" if side == "buy" else "bids"]
                if not levels:
                    raise ccxt.InvalidOrder("hyperliquid: No liquidity available for market order.")
                price = levels[0][0]
            return await super().create_order(symbol, type, side, amount, price, params or {})

    return FrugalHyperliquid
