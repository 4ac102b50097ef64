#!/usr/bin/env python3
"""Starts every receiver and holds its verdicts against requests whose truth is known.

The requests are signed here with the standard library alone, so that a receiver's library is never its own judge.
Run it with the interpreter that has `requirements.txt`; `node` must be on the PATH.
"""

import base64
import hashlib
import hmac
import http.client
import json
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

HERE = Path(__file__).resolve().parent
WAIT_SECONDS_MAX = 30
AN_HOUR = 3600
TEXT_SECRET = "a secret of thirty-two characters or so"
BASE64_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER_BASE64_SECRET = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256)


def develop_health(secret, body, now):
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    claims = {"iat": int(now), "exp": int(now) + 300, "body_sha256": hashlib.sha256(body).hexdigest(), "jti": "dlv_1"}
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return {"X-Webhook-Secret": (signed + b"." + part(mac(secret.encode(), signed).digest())).decode()}


def silver(secret, body, now):
    return {"apiKey": secret}


def novamed(secret, body, now):
    return {"x-api-key": secret}


def noyo(secret, body, now):
    at = datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="microseconds")
    return {"x-noyo-timestamp": at, "x-noyo-signature": mac(secret.encode(), at.encode() + b"." + body).hexdigest()}


def standard_webhooks(secret, body, now):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(mac(key, f"evt_1.{int(now)}.".encode() + body).digest()).decode()
    return {"webhook-id": "evt_1", "webhook-timestamp": str(int(now)), "webhook-signature": f"v1,{signature}"}


BODIES = {
    "develop_health": {"title": "T", "description": "D", "event_type": "prior_authorization.message", "data": {}},
    "silver": {"eventId": "evt_1", "eventType": "adjudication_complete", "eventPayload": {"name": "Zoë"}},
    "noyo": {"data": {}, "event": {"id": "evt_1", "created": 1, "type": "difference.created"}},
    "novamed": {"event_type": "refill:denied", "event_id": "evt_1", "timestamp": "", "clinic_id": "c", "data": {}},
    "bwell": {
        "resourceType": "MessageHeader",
        "id": "evt_1",
        "eventCoding": {"system": "urn:events", "code": "data-export-completed"},
        "destination": [{"endpoint": "https://example.test/hook"}],
        "focus": [{"reference": "Person/1"}],
    },
    "standard_webhooks": {"type": "thing.done", "data": {}},
}

# file, key of BODIES, how to sign, status of a refusal, event type, event id
RECEIVERS = [
    ("develop_health.py", "develop_health", develop_health, 401, "prior_authorization.message", "dlv_1"),
    ("silver.py", "silver", silver, 403, "adjudication_complete", "evt_1"),
    ("noyo.js", "noyo", noyo, 401, "difference.created", "evt_1"),
    ("novamed.js", "novamed", novamed, 401, "refill:denied", "evt_1"),
    ("novamed.py", "novamed", novamed, 401, "refill:denied", "evt_1"),
    ("bwell.js", "bwell", standard_webhooks, 401, "data-export-completed", "evt_1"),
    ("standard_webhooks.py", "standard_webhooks", standard_webhooks, 401, "thing.done", "evt_1"),
]


class Process:
    """A running receiver and the lines it prints."""

    def __init__(self, file, *options):
        command = ["node"] if file.endswith(".js") else [sys.executable]
        self._child = subprocess.Popen(
            [*command, str(HERE / file), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lines = Queue()
        Thread(target=lambda: [self._lines.put(line) for line in self._child.stdout], daemon=True).start()
        word, self.port = self._line().split()
        assert word == "listening", word

    def send(self, headers, body, method="POST"):
        """Sends one request; answers with its status and the line it left."""
        connection = http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=WAIT_SECONDS_MAX)
        connection.request(method, "/webhooks/in", body, {"Content-Type": "application/json", **headers})
        status = connection.getresponse().status
        connection.close()
        return status, json.loads(self._line())

    def stop(self):
        """Closes standard input; answers with the exit code and the lines nobody asked for."""
        self._child.stdin.close()
        try:
            code = self._child.wait(WAIT_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = "still running"
        return code, self._lines.qsize()

    def _line(self):
        try:
            return self._lines.get(timeout=WAIT_SECONDS_MAX)
        except Empty:
            self._child.kill()
            raise SystemExit("a receiver printed nothing in time") from None


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, case, found, expected):
        if found == expected:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {case}: expected {expected!r}, found {found!r}")


def outcome(answer):
    status, line = answer
    assert status == line["status"], (status, line)
    assert line["verified"] == (line["reason"] is None), line
    return status, line["verified"], line["duplicate"]


def check(tally, file, body_of, sign, refused_status, event_type, event_id):
    signed_base64 = sign is standard_webhooks
    secret, other = (BASE64_SECRET, OTHER_BASE64_SECRET) if signed_base64 else (TEXT_SECRET, TEXT_SECRET[::-1])
    body = json.dumps(BODIES[body_of], ensure_ascii=False).encode()
    refused = (refused_status, False, False)
    now = time.time()
    genuine = sign(secret, body, now)
    signs_body = sign not in (silver, novamed)

    receiver = Process(file, "--secret", secret)
    expect = lambda case, found, expected: tally.expect(f"{file}: {case}", found, expected)
    expect("no headers", outcome(receiver.send({}, body)), refused)
    expect("wrong secret", outcome(receiver.send(sign(other, body, now), body)), refused)
    answer = receiver.send(genuine, body)
    expect("genuine", outcome(answer), (200, True, False))
    expect("event", (answer[1]["event_type"], answer[1]["event_id"]), (event_type, event_id))
    expect("body", base64.b64decode(answer[1]["body_base64"]), body)
    name, value = next(iter(genuine.items()))
    expect("headers", answer[1]["headers"].get(name.lower()), value)
    expect("sent again", outcome(receiver.send(genuine, body)), (200, True, True))
    broken = body[:-1]
    expect("not JSON", outcome(receiver.send(sign(secret, broken, now), broken)), (400, False, False))
    expect("not a POST", outcome(receiver.send(genuine, None, method="GET")), (405, False, False))
    if signs_body:
        tampered = body.replace(b'"', b' "', 1)
        expect("tampered body", outcome(receiver.send(genuine, tampered)), refused)
        expect("an hour old", outcome(receiver.send(sign(secret, body, now - AN_HOUR), body)), refused)
        expect("from the future", outcome(receiver.send(sign(secret, body, now + AN_HOUR), body)), refused)
    expect("end of input", receiver.stop(), (0, 0))

    unwilling = Process(file, "--secret", secret, "--status", "503")
    expect("status, genuine", outcome(unwilling.send(genuine, body)), (503, True, False))
    expect("status, wrong secret", outcome(unwilling.send(sign(other, body, now), body)), refused)
    expect("status, end of input", unwilling.stop(), (0, 0))


def check_noyo_rotation(tally):
    body = json.dumps(BODIES["noyo"]).encode()
    now = time.time()
    mine, theirs = noyo(TEXT_SECRET, body, now), noyo("another", body, now)
    at, good, bad = mine["x-noyo-timestamp"], mine["x-noyo-signature"], theirs["x-noyo-signature"]
    cases = {
        f"{good},{bad}": (200, True),
        f"{bad}, {good}": (200, True),
        f"{bad},{bad}": (401, False),
        good.upper(): (401, False),
        good[:-1]: (401, False),
        "": (401, False),
    }
    receiver = Process("noyo.js", "--secret", TEXT_SECRET)
    for signature, expected in cases.items():
        answer = receiver.send({"x-noyo-timestamp": at, "x-noyo-signature": signature}, body)
        tally.expect(f"noyo.js: list {signature!r}", outcome(answer)[:2], expected)
    receiver.stop()


def check_bwell_shape(tally):
    receiver = Process("bwell.js", "--secret", BASE64_SECRET)
    for missing in ("resourceType", "eventCoding", "destination", "focus"):
        body = json.dumps({key: value for key, value in BODIES["bwell"].items() if key != missing}).encode()
        answer = receiver.send(standard_webhooks(BASE64_SECRET, body, time.time()), body)
        tally.expect(f"bwell.js: without {missing}", outcome(answer), (400, False, False))
    receiver.stop()


def main():
    tally = Tally()
    for case in RECEIVERS:
        check(tally, *case)
    check_noyo_rotation(tally)
    check_bwell_shape(tally)
    print(f"receivers: {tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
