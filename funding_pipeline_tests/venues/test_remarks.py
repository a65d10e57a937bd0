"""Lines about answers, over a long life."""

from funding_pipeline.venues.remarks import MOST, Remarks


def test_a_line_is_kept_once_however_often_its_row_is_read() -> None:
    remarks = Remarks()
    for _ in range(3):
        remarks.append("okx: positions: X is left out")
        remarks += ["okx: positions: X is left out", "okx: positions: Y is left out"]
    assert remarks == ["okx: positions: X is left out", "okx: positions: Y is left out"]


def test_of_lines_that_never_repeat_the_newest_are_kept() -> None:
    remarks = Remarks()
    remarks.extend(f"price {number} is none" for number in range(MOST + 10))
    assert len(remarks) == MOST
    assert remarks[-1] == f"price {MOST + 9} is none"
    assert remarks[0] == "price 10 is none"
