"""No venue's gateway shows a key: not in a repr, a log, an exception, a recording."""

import logging
import traceback
from pathlib import Path

import pytest

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.venues.archive import BodyArchive
from funding_pipeline_tests.conformance.rig import VenueRig, run


def test_keys_are_in_no_repr_log_exception_or_archive(
    venue: VenueRig, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    keys = venue.new_keys()
    shown: list[str] = []

    async def case() -> None:
        with BodyArchive(tmp_path) as archive:
            async with venue.public(archive.record) as public, venue.private(keys) as gateway:
                await public.order_book(venue.symbol)
                shown.extend([repr(gateway), repr(keys.credentials), str(keys.credentials), repr(public)])
                await gateway.create_order(venue.order("buy"))
                for status in (403, 500):
                    venue.fault("status", status=status)
                    for call in (gateway.balance(), gateway.create_order(venue.order("buy"))):
                        try:
                            await call
                        except FundingPipelineError as error:
                            shown.extend([repr(error), *traceback.format_exception(error)])
                    venue.end_faults()

    run(case())
    captured = capsys.readouterr()
    recorded = [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*.gz")]
    assert recorded
    text = "\n".join([*shown, caplog.text, captured.out, captured.err, *recorded])
    for name, value in keys.values.items():
        if name != "walletAddress":
            assert value not in text
            assert value.removeprefix("0x") not in text
