"""What moved a leg's own price: its base, the dollar that it is quoted in, or its basis.

    own price = reference x currency x (1 + basis)

`reference` is the base's price over all venues in one common dollar (USDT where any leg has it), `currency`
the price of that dollar in the leg's own one. What does not live here: quantities and profit.
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.legs import Bools, Floats, Universe
from funding_pipeline.portfolio.reference import row_median

_COMMON = "USDT"


@dataclass(frozen=True)
class PriceSplit:
    """Times x legs, in each leg's quoted units; NaN until a price is known.

    `reference`: the base in the common dollar; `in_currency`: the same in the leg's own dollar. Their
    ratio is 1 for legs in the common dollar, and for a currency that shares no base with it: `notes` name
    those, whose currency is then part of the basis.
    """

    reference: Floats
    in_currency: Floats
    notes: tuple[str, ...]


def split_prices(price: Floats, *, fresh: Bools, universe: Universe) -> PriceSplit:
    """Split own prices (times x legs, quoted units); only `fresh` ones say where the market is.

    Currency: each time the median over bases of log(median price in it / median price in the common dollar);
    it keeps its last value while no base is quoted in both. Reference: median over the legs of the base
    of their prices in the common dollar, and its last value while none is fresh.
    """
    common = _COMMON if _COMMON in universe.currencies else _most_common(universe)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(fresh & (price > 0), price / universe.multipliers, np.nan))
    by_currency = {name: _base_medians(logs, universe, currency=name) for name in universe.currencies}
    log_currency, notes = np.zeros_like(price), []
    for name in universe.currencies:
        gap = row_median(by_currency[name] - by_currency[common])
        if not np.isfinite(gap).any():
            notes.append(f"no base is quoted both in {name} and in {common}: {name} counts as {common}")
        mine = [leg.currency == name for leg in universe.legs]
        log_currency[:, mine] = _filled(gap[:, None])
    reference = _base_reference(logs - log_currency, universe) * universe.multipliers
    return PriceSplit(reference, reference * np.exp(log_currency), tuple(notes))


def _most_common(universe: Universe) -> str:
    names = [leg.currency for leg in universe.legs]
    return max(sorted(set(names)), key=names.count)


def _base_medians(logs: Floats, universe: Universe, *, currency: str) -> Floats:
    """Times x bases: median over the legs of the base that are quoted in `currency`."""
    out = np.full((len(logs), len(universe.bases)), np.nan)
    for index in range(len(universe.bases)):
        members = [
            i
            for i, leg in enumerate(universe.legs)
            if universe.base_index[i] == index and leg.currency == currency
        ]
        if members:
            out[:, index] = row_median(logs[:, members])
    return out


def _base_reference(logs: Floats, universe: Universe) -> Floats:
    """Times x legs: the base's price per base unit in the common dollar."""
    out = np.full_like(logs, np.nan)
    for index in range(len(universe.bases)):
        members = np.flatnonzero(universe.base_index == index)
        out[:, members] = np.exp(forward(row_median(logs[:, members])[:, None]))
    return out


def forward(values: Floats) -> Floats:
    """Rows with their last finite value so far; NaN before the first."""
    rows = np.where(np.isfinite(values), np.arange(len(values))[:, None], -1)
    last = np.maximum.accumulate(rows, axis=0)
    picked = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    return np.where(last >= 0, picked, np.nan)


def _filled(values: Floats) -> Floats:
    """The same with the first known value before it, so that nothing moves there, and 0 where none is."""
    out = forward(values)
    known = np.flatnonzero(np.isfinite(out[:, 0]))
    return np.where(np.isfinite(out), out, out[known[0]] if len(known) else 0.0)
