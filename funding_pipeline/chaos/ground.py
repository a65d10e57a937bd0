"""What stands when an episode begins: engines with accounts, a network with a witness, an empty journal.

What lives here: laying it. What does not: engines (`engines`), or what happens on it (`episode`,
`october_2025`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from funding_pipeline.chaos.audit import OrderAudit
from funding_pipeline.chaos.connection import EngineNetwork, in_virtual_time
from funding_pipeline.chaos.engines import EpisodeTestnet
from funding_pipeline.chaos.lives import World
from funding_pipeline.chaos.virtual_time import Stamps, VirtualClock
from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.storage.journal import Journal
from funding_pipeline.testnet.engine.values import Account
from funding_pipeline.testnet.faults import FaultDesk
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.registry import dialect_of


@dataclass(frozen=True)
class Ground:
    """Everything that outlives processes. `journal`: a reader's, with a connection of its own."""

    testnet: EpisodeTestnet
    desk: FaultDesk
    accounts: Mapping[str, Account]
    journal: Journal
    audit: OrderAudit
    network: EngineNetwork
    world: World


def lay(
    testnet: EpisodeTestnet,
    clock: VirtualClock,
    *,
    balances: Mapping[str, Decimal],
    journal_url: str,
    terms: Mapping[str, VenueTerms],
    seed: int,
) -> Ground:
    """One account per venue of `balances`. `seed`: of the network's delays."""
    accounts: dict[str, Account] = {}
    credentials: dict[str, Credentials] = {}
    for venue, balance in balances.items():
        account, shown = testnet.open(venue, balance, seed="chaos")
        accounts[venue], credentials[venue] = account, Credentials(venue, shown)
    journal = Journal(journal_url, now=clock.moment)
    stamps = Stamps(clock)
    dialects = {venue: in_virtual_time(dialect_of(venue), stamps) for venue in balances}
    audit = OrderAudit(
        testnet, accounts=accounts, dialects=dialects, journal=journal, clock=clock, terms=terms
    )
    desk = FaultDesk(testnet)
    network = EngineNetwork(testnet, desk, audit, seed)
    world = World(network, clock, dialects, credentials, journal_url)
    return Ground(testnet, desk, accounts, journal, audit, network, world)
