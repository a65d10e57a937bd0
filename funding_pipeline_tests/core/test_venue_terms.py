"""Venue terms: defaults that ship with the package."""

import pytest

from funding_pipeline.core.errors import SettingsError
from funding_pipeline.core.venue_terms import load_venue_terms, terms_of


def test_known_venue_is_not_assumed() -> None:
    terms = terms_of("hyperliquid", load_venue_terms())
    assert terms.reference_price == "oracle"
    assert not terms.assumed


def test_unknown_venue_is_marked_assumed() -> None:
    assert terms_of("brandnew", load_venue_terms()).assumed


def test_no_default_is_an_error_that_names_the_venue() -> None:
    with pytest.raises(SettingsError, match="brandnew"):
        terms_of("brandnew", {})


def test_thin_books_cost_more() -> None:
    deribit = terms_of("deribit", load_venue_terms())
    assert not deribit.is_thin("BTC")
    assert deribit.is_thin("DOGE")
    assert deribit.half_spread("DOGE") > deribit.half_spread("BTC")
