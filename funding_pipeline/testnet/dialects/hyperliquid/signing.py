"""Who signed an action: the wallet address, recovered from the signature over the action's hash.

What lives here: the two schemes of Hyperliquid (EIP-712 both): "L1" actions, where a phantom agent
signs keccak(msgpack(action) + nonce + vault), and user-signed actions, where the fields themselves are
typed data. What does not: which wallets are known, and which nonces are used up (`dialect`).

There is no login: a wrong key, a changed byte or another order of fields recovers another address,
which has no account. Recovery is libsecp256k1's (coincurve). Keccak-256 (not SHA3-256, which pads
differently) and msgpack are in no installed library but ccxt, which ships both; `hashlib` and
`cryptography` have only the SHA-3 of the standard.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from ccxt.static_dependencies import keccak as _keccak
from ccxt.static_dependencies.msgpack import packb
from coincurve import PrivateKey, PublicKey

from funding_pipeline.testnet.engine.values import Rejected

MAINNET_SOURCE = "a"
L1_CHAIN_ID = 1337
MOST_DIGITS = 30
_GROUP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash."""
    return bytes(_keccak.SHA3(data))


def new_private_key(token: bytes) -> str:
    """A private key as 0x-hex from 32 random bytes."""
    number = int.from_bytes(token, "big") % (_GROUP_ORDER - 1) + 1
    return f"0x{number:064x}"


def address_of(private_key: str) -> str:
    """The wallet address (0x, lower case) of a private key in 0x-hex."""
    return _address(PrivateKey(bytes.fromhex(private_key[2:])).public_key)


def l1_signer(
    action: Mapping[str, Any],
    *,
    nonce: int,
    signature: Mapping[str, Any],
    vault: str | None = None,
    expires_after: int | None = None,
) -> str:
    """Address that signed an order, a cancellation or a change of leverage. Raises Rejected("bad_signature").

    The order of the fields matters: the hash is over msgpack.
    """
    try:
        packed: bytes = packb(as_serialised(action))
    except (ValueError, OverflowError) as error:  # nested without end
        raise Rejected("bad_signature", "Invalid signature: the action cannot be hashed") from error
    packed += nonce.to_bytes(8, "big")
    packed += b"\x00" if vault is None else b"\x01" + _hex(vault, 20)
    if expires_after is not None:
        packed += b"\x00" + expires_after.to_bytes(8, "big")
    agent = (
        keccak256(b"Agent(string source,bytes32 connectionId)")
        + keccak256(MAINNET_SOURCE.encode())
        + keccak256(packed)
    )
    return _recover(_typed_digest("Exchange", L1_CHAIN_ID, keccak256(agent)), signature)


def user_signer(
    action: Mapping[str, Any],
    primary_type: str,
    fields: Sequence[tuple[str, str]],
    signature: Mapping[str, Any],
) -> str:
    """Address that signed an action as typed data, e.g. the approval of a builder's fee.

    `fields`: (name, type) in order; types string, address and uint64.
    """
    types = ",".join(f"{kind} {name}" for name, kind in fields)
    encoded = keccak256(f"HyperliquidTransaction:{primary_type}({types})".encode())
    for name, kind in fields:
        encoded += _word(action.get(name), kind)
    chain = int.from_bytes(_hex(action.get("signatureChainId"), 32), "big")
    return _recover(_typed_digest("HyperliquidSignTransaction", chain, keccak256(encoded)), signature)


def as_serialised(action: Mapping[str, Any]) -> Mapping[str, Any]:
    """The action as the venue serialises it again before hashing: prices and sizes without trailing zeros.

    A client that signs "60000.0" is told that a wallet it has never heard of does not exist.
    """
    found = action.get("orders")
    if not isinstance(found, list) or not all(isinstance(order, dict) for order in found):
        return action
    orders = [
        {key: _trimmed(value) if key in ("p", "s") else value for key, value in order.items()}
        for order in found
    ]
    return {**action, "orders": orders}


def _trimmed(number: Any) -> Any:
    try:
        value = Decimal(number)
        # An exponent of a million would become a text of a million digits.
        return format(value.normalize(), "f") if abs(value.adjusted()) < MOST_DIGITS else number
    except (InvalidOperation, TypeError, ValueError):
        return number


def _typed_digest(domain_name: str, chain_id: int, struct_hash: bytes) -> bytes:
    domain = keccak256(
        keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        + keccak256(domain_name.encode())
        + keccak256(b"1")
        + chain_id.to_bytes(32, "big")
        + bytes(32)
    )
    return keccak256(b"\x19\x01" + domain + struct_hash)


def _word(value: Any, kind: str) -> bytes:
    if kind == "uint64":
        if not isinstance(value, int) or not 0 <= value < 1 << 64:
            raise Rejected("bad_signature", "Invalid signature: a whole number is missing")
        return value.to_bytes(32, "big")
    if kind == "address":
        return _hex(value, 20).rjust(32, b"\x00")
    return keccak256(str(value).encode())


def _recover(digest: bytes, signature: Mapping[str, Any]) -> str:
    recovery = signature.get("v")
    if recovery not in (27, 28):
        raise Rejected("bad_signature", "Invalid signature: v is neither 27 nor 28")
    raw = _hex(signature.get("r"), 32) + _hex(signature.get("s"), 32) + bytes([recovery - 27])
    try:
        return _address(PublicKey.from_signature_and_message(raw, digest, hasher=None))
    except Exception as error:  # coincurve raises bare Exception where no point fits
        raise Rejected("bad_signature", "Invalid signature: no wallet can have made it") from error


def _address(public_key: PublicKey) -> str:
    return "0x" + keccak256(public_key.format(compressed=False)[1:])[-20:].hex()


def _hex(value: Any, length: int) -> bytes:
    text = value.removeprefix("0x") if isinstance(value, str) else "?"
    try:
        # Clients leave out leading zeros of r and s.
        return bytes.fromhex(text.rjust(2 * length, "0")).rjust(length, b"\x00")[-length:]
    except ValueError as error:
        raise Rejected("bad_signature", f"Invalid signature: {length} bytes in hex expected") from error
