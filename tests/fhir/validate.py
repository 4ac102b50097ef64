"""Reads a Bundle of AuditEvents from standard input as FHIR R4B has them, strictly, and prints how many there are.

R4B is R4 where AuditEvents are concerned. What is unknown, missing, or of the wrong type is an error that names its place.
"""

import json
import sys

from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.bundle import Bundle

bundle = Bundle.model_validate(json.load(sys.stdin))
events = [entry.resource for entry in bundle.entry or []]
wrong = [type(event).__name__ for event in events if not isinstance(event, AuditEvent)]
if wrong:
    sys.exit(f"not AuditEvents: {wrong}")
print(len(events))
