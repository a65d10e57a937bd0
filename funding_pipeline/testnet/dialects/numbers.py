"""Numbers as most venues write them in JSON. What does not live here: a venue's own rounding."""

from decimal import Decimal


def plain_text(value: Decimal | float) -> str:
    """Without exponent, trailing zeros or a sign of zero: 29391.3, 0.00001, 5, 0."""
    written = format(value if isinstance(value, Decimal) else Decimal(str(value)), "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written in ("-0", "") else written
