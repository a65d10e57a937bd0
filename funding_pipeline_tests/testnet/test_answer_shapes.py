"""Shapes of answers: one change of JSON each, the same for every venue."""

from typing import Any

import orjson
import pytest

from funding_pipeline.testnet.answer_shapes import UNHEARD_OF, null_answer, reshape, unknown_ending
from funding_pipeline.testnet.http import Answer


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"retCode": 0, "result": {"list": []}}, {"retCode": 0, "result": None}),
        ({"code": "0", "data": [1]}, {"code": "0", "data": None}),
        ([{"symbol": "BTCUSDT"}], None),
        ({"marginSummary": {}}, None),
    ],
)
def test_a_null_answer_has_lost_its_list(body: Any, expected: Any) -> None:
    assert null_answer(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"retCode": 0, "result": {"orderId": "1"}}, {"retCode": 0, "result": {}}),
        ({"code": "0", "data": [{"ordId": "1"}]}, {"code": "0", "data": []}),
        ({"orderId": 1, "status": "NEW"}, {}),
        (
            {"status": "ok", "response": {"type": "order", "data": {"statuses": [{"resting": {}}]}}},
            {"status": "ok", "response": {"type": "default"}},
        ),
    ],
)
def test_a_silent_acknowledgement_has_no_order(body: Any, expected: Any) -> None:
    assert orjson.loads(reshape(Answer.of(body), "silent_ack").body) == expected


@pytest.mark.parametrize(
    "refusal",
    [
        Answer.of({"code": -2019, "msg": "Margin is insufficient."}, 400),
        Answer.of({"retCode": 110007, "result": {}}),
        Answer.of({"code": "1", "data": [{"sCode": "51008"}]}),
        Answer.of({"status": "err", "response": "Invalid nonce"}),
        Answer.of({"status": "ok", "response": {"type": "order", "data": {"statuses": [{"error": "no"}]}}}),
    ],
)
@pytest.mark.parametrize("kind", ["silent_ack", "null_answer", "unknown_ending"])
def test_a_refusal_stays_as_it_is(refusal: Answer, kind: str) -> None:
    assert reshape(refusal, kind) == refusal


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("status", "FILLED"), ("status", "EXPIRED_IN_MATCH"), ("orderStatus", "Cancelled"),
        ("state", "canceled"), ("finish_as", "ioc"), ("status", "perpMarginRejected"), ("status", "finished"),
    ],
)  # fmt: skip
def test_an_ending_becomes_a_word_that_nobody_knows(field: str, word: str) -> None:
    order = {field: word, "executedQty": "0.4", "side": "BUY"}
    assert unknown_ending({"data": [order]}) == {"data": [{**order, field: UNHEARD_OF}]}


@pytest.mark.parametrize(
    "word", ["NEW", "PARTIALLY_FILLED", "partially_filled", "open", "live", "order", "ok"]
)
def test_what_has_not_ended_stays(word: str) -> None:
    assert unknown_ending([{"status": word}]) == [{"status": word}]
