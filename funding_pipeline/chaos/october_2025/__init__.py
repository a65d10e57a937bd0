"""10 October 2025 on the testnet: prices fall, books empty, a winning leg is deleveraged, a venue freezes."""
