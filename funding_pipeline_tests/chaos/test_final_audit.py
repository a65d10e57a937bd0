"""The residual: what counts of an open base, and what nobody could have removed."""

from decimal import Decimal

import pytest

from funding_pipeline.chaos.final_audit import BaseBook


@pytest.mark.parametrize(
    ("stuck", "longs", "shorts", "counted"),
    [
        ("0", "3", "-3", "0"),  # hedged
        ("0", "3", "-1", "2"),  # the long could have been reduced to 1
        ("3", "0", "-1", "0"),  # the long is stuck and there is nothing else to reduce
        ("1", "0", "-3", "2"),  # the short could have been reduced to 1
        ("3", "0", "0", "0"),
        ("-1", "0", "-2", "2"),  # both short: the one that trades could have been closed
    ],
)
def test_only_what_reducing_could_remove_counts(stuck: str, longs: str, shorts: str, counted: str) -> None:
    book = BaseBook(Decimal(stuck), Decimal(longs), Decimal(shorts))
    assert book.counted == Decimal(counted)
    assert book.counted + book.unavoidable == abs(book.net)


def test_what_nobody_can_know_of_a_venue_that_is_gone_is_unavoidable() -> None:
    """The journal knows of a short that hedges; the venue, gone, has delisted it."""
    book = BaseBook(stuck=Decimal(-3), longs=Decimal(3), unseen=Decimal(3))
    assert (book.counted, book.unavoidable) == (0, 3)


def test_what_is_known_of_a_venue_that_is_gone_still_counts() -> None:
    """The journal knows of a short of one beside a long of three: two could have been sold."""
    book = BaseBook(stuck=Decimal(-1), longs=Decimal(3), unseen=Decimal(1))
    assert (book.counted, book.unavoidable) == (2, 1)
