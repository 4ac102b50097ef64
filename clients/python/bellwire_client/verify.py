"""Verification of what Bellwire sends under the contract `standard-webhooks`, as the Standard Webhooks specification says."""

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class VerificationError(Exception):
    """A request that is not genuine, or not of now. Answer it with 401, and do nothing."""


@dataclass(frozen=True)
class Verified:
    """A request that is genuine."""

    id: str
    """The event's id: the same on every attempt. Keep it to recognise an event that comes again."""
    type: str
    """The event's type."""
    timestamp: str
    """When it happened."""
    data: Any
    """What was published."""


def verify(
    head: Mapping[str, str],
    body: bytes,
    secrets: str | Iterable[str],
    *,
    tolerance_s: float = 300,
    now: float | None = None,
) -> Verified:
    """Verifies a request.

    `body` is what came in, byte for byte: JSON that was read and written again is not the same. Give every secret that is active while
    one takes the place of another.
    """
    named = {name.lower(): value for name, value in head.items()}
    sent_id, timestamp, given = (_header(named, f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise VerificationError("webhook-timestamp is no time")
    if abs((time.time() if now is None else now) - int(timestamp)) > tolerance_s:
        raise VerificationError("the request is too old, or from the future")
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("give at least one secret")
    signed = f"{sent_id}.{timestamp}.".encode() + body
    signatures = [each[3:].encode("utf-8", "replace") for each in given.split(" ") if each.startswith("v1,")]
    is_genuine = False
    for key in keys:
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
        for signature in signatures:
            # Every pair is looked at, so that how long it takes tells nothing.
            is_genuine |= hmac.compare_digest(signature, expected)
    if not is_genuine:
        raise VerificationError("no signature is of one of the secrets")
    content = json.loads(body)
    return Verified(sent_id, content["type"], content["timestamp"], content["data"])


def _header(head: Mapping[str, str], name: str) -> str:
    value = head.get(name)
    if not value:
        raise VerificationError(f"{name} is missing")
    return value


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) < 24:
        raise ValueError("a secret is whsec_ and at least 24 bytes in base64")
    return key
