"""The campaign of odd answers: each field of nine venues' bodies made odd, and what comes of it.

    python benchmarks/venue_mutations.py [--seed 0] [--most N] [--venues binance,okx] [--json]

One at a time, fields of listings, tickers and funding rates, histories of funding, candles and open interest
are missing, null, empty, "0", of another type, not finite, or in another unit; lists and rows likewise.
Bodies: small whole venues (`venue_bodies`), the local testnet's of its six venues, and ccxt's own examples
where their folder is there ($FUNDING_TEST_PAYLOADS, or shared/payloads beside the checkout).

Printed: how many mutations came to which outcome (see `mutations`). The exit code is 1 if a bare Python error
came through, a row of another instrument was lost or changed, or nonsense passed in silence. "unit not
recognised": a number 100 or 1,000 times off that one answer alone does not give away (a rate within its cap,
a tick); what compares series over time and venues has to find it.
`--most` takes a sample of so many per venue and source, drawn by the seed.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from funding_pipeline.venues.registry import PUBLIC_VENUES
from funding_pipeline_tests.testnet.running import running_testnet
from funding_pipeline_tests.venues.foreign_bodies import RENDERED, examples, rendered
from funding_pipeline_tests.venues.mutations import FAULTS, OUTCOMES, Venue, mutations
from funding_pipeline_tests.venues.venue_bodies import WholeVenue, whole_venue

CHECKOUT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Mutate, read, judge; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--most", type=int, default=None, help="mutations per venue and source; all")
    parser.add_argument("--venues", default=",".join(PUBLIC_VENUES))
    parser.add_argument("--json", action="store_true", help="counts and faults as JSON")
    options = parser.parse_args()
    counts: dict[tuple[str, str], Counter[str]] = {}
    faults: list[str] = []
    began = time.perf_counter()
    for source, name, whole in _sources(options.venues.split(",")):
        chosen = list(mutations(name, whole))
        if options.most is not None and len(chosen) > options.most:
            chosen = random.Random(f"{options.seed} {source} {name}").sample(chosen, options.most)
        venue, found = Venue(name, whole), Counter[str]()
        for mutation in chosen:
            verdict = venue.judge(mutation)
            found[verdict.outcome] += 1
            if verdict.outcome in FAULTS:
                faults.append(f"{source}: {mutation}: {verdict.outcome}: {verdict.what}")
        counts[source, name] = found
    seconds = time.perf_counter() - began
    if options.json:
        rows = [{"source": s, "venue": v, **dict(found)} for (s, v), found in counts.items()]
        print(json.dumps({"counts": rows, "faults": faults, "seconds": round(seconds, 1)}, indent=1))
    else:
        _print_table(counts, faults, seconds)
    return 1 if faults else 0


def _sources(names: list[str]) -> Iterator[tuple[str, str, WholeVenue]]:
    """Bodies by source and venue."""
    for name in names:
        yield "whole venues", name, whole_venue(name)
    with running_testnet() as testnet:
        for name in names:
            if name in RENDERED:
                yield "testnet", name, rendered(name, testnet)
    folder = Path(os.environ.get("FUNDING_TEST_PAYLOADS", CHECKOUT.parent / "shared" / "payloads"))
    if (folder / "ccxt_examples").exists():
        for name in names:
            yield "examples", name, examples(name, folder)


def _print_table(counts: dict[tuple[str, str], Counter[str]], faults: list[str], seconds: float) -> None:
    total: Counter[str] = Counter()
    for found in counts.values():
        total.update(found)
    shown = [outcome for outcome in OUTCOMES if total[outcome] or outcome in FAULTS]
    print(f"{total.total():,} mutations in {seconds:.0f} s")
    for outcome in shown:
        print(f"  {total[outcome]:>7,}  {outcome}")
    print("by source and venue")
    for (source, name), found in counts.items():
        listed = ", ".join(f"{outcome} {found[outcome]:,}" for outcome in OUTCOMES if found[outcome])
        print(f"  {source:<13} {name:<12} {found.total():>6,}  {listed}")
    print(f"faults: {len(faults)}")
    for fault in faults[:200]:
        print(f"  {fault}")


if __name__ == "__main__":
    sys.exit(main())
