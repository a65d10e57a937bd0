"""The parts a report's page is built of, as plain values that the template draws in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from funding_pipeline.reporting.report_figures import html_of
from funding_pipeline.reporting.report_tables import Table

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Block:
    """One chart (HTML), table, paragraph or list, with a caption above it; `folded` behind that caption."""

    kind: Literal["chart", "table", "text", "list"]
    folded: bool = False
    html: str = ""
    table: Table | None = None
    texts: tuple[str, ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """One numbered part of the page. `identity` is its anchor, `lead` the sentence below its title."""

    identity: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


def chart(figure: "Figure | None", *, identity: str) -> list[Block]:
    """A chart, or nothing where there was nothing to draw."""
    return [] if figure is None else [Block("chart", html=html_of(figure, identity=f"chart-{identity}"))]


def text(*paragraphs: str) -> list[Block]:
    """Paragraphs."""
    return [Block("text", texts=paragraphs)] if paragraphs else []


def items(lines: Sequence[str], *, caption: str = "") -> list[Block]:
    """A list, or nothing where it is empty."""
    return [Block("list", texts=tuple(lines), caption=caption)] if lines else []


def rows(content: Table, *, caption: str = "", folded: bool = False) -> list[Block]:
    """A table, or nothing where it has no row; a `folded` one opens at a click."""
    return [Block("table", table=content, caption=caption, folded=folded)] if content.rows else []
