"""A client of Bellwire: publish events, verify what it sends, and read an account's log.

The types are made from the API's OpenAPI document; nothing here depends on a package.
"""

from .client import BellwireError, Client
from .types import Event, EventPublish, Problem, Receipt
from .verify import VerificationError, Verified, verify

__all__ = [
    "BellwireError",
    "Client",
    "Event",
    "EventPublish",
    "Problem",
    "Receipt",
    "VerificationError",
    "Verified",
    "verify",
]
