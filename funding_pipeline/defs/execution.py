"""Layer 5, as far as it goes today: the order list. Nothing here sends an order."""

import dagster as dg

from funding_pipeline.core.market import Market
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.portfolio import PLAN
from funding_pipeline.execution.orders import ORDER_SCHEMA, order_list
from funding_pipeline.storage.lake import Lake

GROUP = "execution"
ORDERS = "planned_orders"


def execution_assets() -> list[dg.AssetsDefinition]:
    """The order list."""
    return [planned_orders]


@dg.asset(
    name=ORDERS,
    deps=[PLAN, "instruments"],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(ORDER_SCHEMA)},
)
def planned_orders(
    market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """What would have to be traded to reach the plan: side, quantity, price bound and reason per leg.

    Quantities are rounded to the venue's step where it is known, the legs of a base together. This is
    a list for a person: sending orders is not part of this version.
    """
    orders = order_list(lake.scan(PLAN).collect(), lake.scan("instruments").collect())
    version = lake.replace(ORDERS, orders)
    return dg.MaterializeResult(
        metadata={
            **md.stored(ORDERS, version, rows=orders.height, market_label=market.label),
            "orders": md.table_preview(orders, rows=80),
        }
    )
