"""The trading state as an asset of the web UI: what it is, and each change of it as an event.

What lives here: the asset and its events. What does not: the state itself, which the journal keeps.
"""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from funding_pipeline.core.governance import StateRecord
from funding_pipeline.defs import metadata as md

GROUP = "execution"
TRADING_STATE = "trading_state"
_RECORD = "record"
_SHOWN = 20


def trading_state_spec() -> dg.AssetSpec:
    """The external asset; the guard-heartbeat sensor and the governance jobs report its changes."""
    return dg.AssetSpec(
        key=TRADING_STATE,
        group_name=GROUP,
        kinds={"sqlalchemy"},
        description=(
            "ACTIVE: plans are carried out. REDUCING: only what reduces exposure is sent. HALTED: only "
            "cancels are sent. Kept in the journal, which checks every order against it. The guard may "
            "only make it stricter; a person changes it with the jobs `halt`, `reduce` and `resume`."
        ),
    )


def state_event(record: StateRecord, history: Sequence[StateRecord]) -> dg.AssetMaterialization:
    """One change of the state. `history`: newest first, as the journal has it."""
    return dg.AssetMaterialization(
        asset_key=TRADING_STATE,
        description=f"{record.state} by {record.by}: {record.reason}",
        metadata={
            "state": record.state,
            "reason": record.reason,
            "by": record.by,
            "since": _text(record.since),
            "history": md.table_of(
                [
                    {"since": _text(r.since), "state": r.state, "by": r.by, "reason": r.reason}
                    for r in history[:_SHOWN]
                ]
            ),
            _RECORD: record_id(record),
        },
    )


def record_id(record: StateRecord) -> str:
    """Tells one change from another."""
    return f"{record.since.isoformat()} {record.state} {record.by}: {record.reason}"


def reported_records(instance: dg.DagsterInstance) -> frozenset[str]:
    """Ids of the newest changes that the asset knows already."""
    events = instance.fetch_materializations(dg.AssetKey(TRADING_STATE), limit=2 * _SHOWN).records
    found = [event.asset_materialization for event in events]
    return frozenset(str(made.metadata[_RECORD].value) for made in found if made and _RECORD in made.metadata)


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
