"""A FHIR client and a receiver of notifications, on both sides of a Bellwire that the caller has started.

BELLWIRE_URL and BELLWIRE_KEY say where it is and how the operator gets in, BELLWIRE_FHIR which version of FHIR it speaks.
"""

import json
import os
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from dialects import CONTRACTS, DIALECTS

BASE = os.environ["BELLWIRE_URL"]
OPERATOR = {"authorization": f"Bearer {os.environ['BELLWIRE_KEY']}"}
VERSION = os.environ.get("BELLWIRE_FHIR", "R4")
FHIR = DIALECTS[VERSION]()
CONTRACT = os.environ.get("BELLWIRE_CONTRACT", CONTRACTS[VERSION])
TOPIC = os.environ.get("BELLWIRE_TOPIC", "http://example.org/topics/resource-changed")
#: How long anything may take that is waited for.
PATIENCE = 30.0


def pytest_configure(config):
    config.addinivalue_line("markers", "requirement(*numbers): the numbers of the public test kit's requirements that it shows to be met")


def pytest_collection_modifyitems(items):
    for item in items:
        assert item.get_closest_marker("requirement"), f"{item.name} names no requirement"


def until(what, look):
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} never happened"
        time.sleep(0.02)


class Receiver:
    """What a client runs to be notified. It answers `status` as long as it is `open`, and keeps every notification."""

    def __init__(self):
        self.status = 200
        self.open = threading.Event()
        self.open.set()
        self.notifications = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.notifications.append((dict(self.headers.items()), json.loads(body)))
                receiver.open.wait()
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/notify"

    def of_type(self, kind):
        """The notifications of a type, with their headers."""
        return [(headers, bundle) for headers, bundle in list(self.notifications) if status_of(bundle)["type"] == kind]

    def wait(self, kind, count=1):
        """The first `count` notifications of a type."""
        return until(f"{count} of type {kind}", lambda: self.of_type(kind) if len(self.of_type(kind)) >= count else None)

    def close(self):
        self.open.set()
        self.server.shutdown()
        self.server.server_close()


def status_of(bundle):
    """What the first entry of a notification says."""
    return FHIR.said(bundle["entry"][0]["resource"])


class Client:
    """One of the operator's accounts, and the key with which it uses the published API."""

    def __init__(self):
        self.account = f"clinic-{uuid.uuid4().hex[:8]}"
        self.operator("PUT", f"/v1/accounts/{self.account}", {"contract": CONTRACT})
        made = self.operator("POST", "/v1/keys", {"role": "consumer", "account": self.account})
        self.headers = {"authorization": f"Bearer {made['key']}"}
        self.base = f"{BASE}/published/{CONTRACT}"

    def operator(self, method, path, body=None):
        answer = requests.request(method, BASE + path, json=body, headers=OPERATOR, timeout=PATIENCE)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.text else None

    def ask(self, method, path, body=None, **headers):
        data = None if body is None else json.dumps(body)
        given = {"content-type": "application/fhir+json", **self.headers, **headers}
        return requests.request(method, self.base + path, data=data, headers=given, timeout=PATIENCE)

    def read(self, subscription):
        return self.ask("GET", f"/Subscription/{subscription['id']}").json()

    def form(self, path, pairs):
        """Asks with a form, as searches may."""
        return requests.post(self.base + path, data=pairs, headers=self.headers, timeout=PATIENCE)

    def operation(self, path, *given):
        """Invokes an operation with a Parameters resource."""
        body = {"resourceType": "Parameters", "parameter": [FHIR.input(name, value) for name, value in given]}
        return self.ask("POST", path, body)

    def standing(self, subscription):
        """What `$status` says of it."""
        return status_of(self.ask("GET", f"/Subscription/{subscription['id']}/$status").json())

    def becomes(self, subscription, status):
        return until(f"the subscription is {status}", lambda: self.read(subscription)["status"] == status)

    def subscribed(self, receiver, **changes):
        """An active subscription."""
        answer = self.ask("POST", "/Subscription", subscription(receiver.url, **changes))
        assert answer.status_code == 201, answer.text
        self.becomes(answer.json(), "active")
        return answer.json()


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def other_receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def subscription(endpoint, topic=TOPIC, content="full-resource", filters=(), headers=("X-Clinic: 7",), **changes):
    """A Subscription as clients write it: `heartbeat_period`, `timeout` and `max_count` as numbers, what else is given as it is."""
    return FHIR.subscription(endpoint, topic, content, filters, headers, **changes)
