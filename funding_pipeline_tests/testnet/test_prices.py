"""How much a testnet that runs for days keeps of the seconds that are over."""

import tracemalloc

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline.testnet.prices import HOURS_KEPT
from funding_pipeline_tests.testnet.running import NOW_MS, simulated_market

_BYTES_OF_AN_HOUR = 3600 * 8


def test_days_of_prices_take_no_more_memory_than_some_hours() -> None:
    quotes = MarketQuotes(simulated_market(), "binance")
    symbols = [instrument.symbol for instrument in quotes.instruments()][:4]

    def ask(hours: range) -> None:
        for hour in hours:
            for symbol in symbols:
                for price in (quotes.mark, quotes.index, quotes.last):
                    price(symbol, NOW_MS + hour * HOUR_MS + 1_234_000)

    ask(range(HOURS_KEPT + 2))
    tracemalloc.start()
    try:
        ask(range(HOURS_KEPT + 2, 72))
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What was there before is not traced, and all of it has been replaced since.
    kept = (HOURS_KEPT + 1) * len(symbols) * 3 * _BYTES_OF_AN_HOUR
    assert grown < kept * 1.2
