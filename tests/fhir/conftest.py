"""A FHIR client and a receiver of notifications, on both sides of a Bellwire that the caller has started.

BELLWIRE_URL and BELLWIRE_KEY say where it is and how the operator gets in.
"""

import json
import os
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

BASE = os.environ["BELLWIRE_URL"]
OPERATOR = {"authorization": f"Bearer {os.environ['BELLWIRE_KEY']}"}
CONTRACT = os.environ.get("BELLWIRE_CONTRACT", "fhir-r4-backport")
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
    """What a client runs to be notified. It answers `status`, and keeps every notification."""

    def __init__(self):
        self.status = 200
        self.notifications = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.notifications.append((dict(self.headers.items()), json.loads(body)))
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
        self.server.shutdown()
        self.server.server_close()


def parameters(resource):
    """The named values of a Parameters resource; parts as mappings, and lists of them for what repeats."""
    found = {}
    for parameter in resource["parameter"]:
        if "part" in parameter:
            found.setdefault(parameter["name"], []).append(parameters({"parameter": parameter["part"]}))
        else:
            value = next(value for key, value in parameter.items() if key.startswith("value"))
            found[parameter["name"]] = value.get("reference", value) if isinstance(value, dict) else value
    return found


def status_of(bundle):
    """What the first entry of a notification says."""
    return parameters(bundle["entry"][0]["resource"])


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


EXTENSION = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
TOPIC = os.environ.get("BELLWIRE_TOPIC", "http://example.org/topics/resource-changed")


def subscription(endpoint, topic=TOPIC, content="full-resource", filters=(), channel=(), headers=("X-Clinic: 7",), **top):
    """A Subscription as clients of the guide write it. `channel` has the names and seconds or counts of extensions."""
    extensions = [{"url": EXTENSION + name, kind: value} for name, kind, value in channel]
    resource = {
        "resourceType": "Subscription",
        "meta": {"profile": [EXTENSION + "backport-subscription"]},
        "status": "requested",
        "reason": "To be told of changes",
        "criteria": topic,
        "channel": {
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": EXTENSION + "backport-payload-content", "valueCode": content}]},
            "header": list(headers),
            **({"extension": extensions} if extensions else {}),
        },
        **top,
    }
    if filters:
        found = [{"url": EXTENSION + "backport-filter-criteria", "valueString": text} for text in filters]
        resource["_criteria"] = {"extension": found}
    return resource
