"""What the client does when things go wrong, against a server of the test's own."""

import base64
import email.utils
import hashlib
import hmac
import json
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

from bellwire_client import BellwireError, Client, VerificationError, verify

RECEIPT = {"items": [{"id": "e1", "seq": 1, "deliveries": 1}]}
BUSY = {"type": "t", "title": "Busy", "status": 503, "detail": "wait", "code": "busy", "errors": []}


class Server:
    """Gives these answers, one after the other, and keeps what it was asked."""

    def __init__(self, *answers):
        self.asked = asked = []
        left = iter(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                head = {name.lower(): value for name, value in self.headers.items()}
                asked.append((self.command, self.path, head, json.loads(body) if body else None))
                status, headers, answer = next(left)
                if status is None:
                    self.close_connection = True
                    return
                text = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", "content-length": len(text), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def problem(status, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"content-type": "application/problem+json", **headers}, {**BUSY, "status": status}


class Publishing(unittest.TestCase):
    def setUp(self):
        patched = mock.patch("bellwire_client.client.time.sleep")
        self.sleep = patched.start()
        self.addCleanup(patched.stop)

    def pauses(self):
        return [call.args[0] for call in self.sleep.call_args_list]

    def test_it_tries_again_with_the_same_id(self):
        with Server(problem(503), (None, {}, None), problem(500), (201, {}, RECEIPT)) as server:
            receipt = Client(server.url, "key").publish("clinic 1", {"type": "a", "data": {"é": 1}})
        self.assertEqual(receipt, RECEIPT["items"][0])
        bodies = [body for _, _, _, body in server.asked]
        self.assertEqual(len(bodies), 4)
        self.assertTrue(bodies[0]["events"][0]["id"] and all(body == bodies[0] for body in bodies))
        method, path, head, _ = server.asked[0]
        self.assertEqual((method, path, head["authorization"]), ("POST", "/v1/accounts/clinic%201/events", "Bearer key"))
        for number, pause in enumerate(self.pauses()):
            longest = 0.2 * 2**number
            self.assertTrue(longest / 2 <= pause <= longest, self.pauses())

    def test_it_waits_as_long_as_it_is_asked_to(self):
        at = email.utils.formatdate(time.time() + 30, usegmt=True)
        with Server(problem(429, retry_after=7), problem(503, retry_after=at), (200, {}, RECEIPT)) as server:
            Client(server.url, "key").publish("a", {"type": "a", "data": 1, "id": "mine"})
        first, second = self.pauses()
        self.assertEqual(first, 7)
        self.assertTrue(25 < second <= 30, second)
        self.assertEqual(server.asked[0][3]["events"], [{"type": "a", "data": 1, "id": "mine"}])

    def test_it_gives_up(self):
        for answers, status, asked in [
            ([problem(409)], 409, 1),
            ([problem(503, retry_after=3600)], 503, 1),
            ([problem(503)] * 3, 503, 3),
            ([(None, {}, None)] * 3, None, 3),
            ([(302, {"location": "http://127.0.0.1:9/"}, None)], 302, 1),
        ]:
            with self.subTest(status=status), Server(*answers) as server:
                with self.assertRaises(BellwireError) as raised:
                    Client(server.url, "key", attempts=3).publish("a", {"type": "a", "data": 1})
                self.assertEqual((raised.exception.status, len(server.asked)), (status, asked))
                if status in (409, 503):
                    self.assertEqual(raised.exception.problem["code"], "busy")


class CatchingUp(unittest.TestCase):
    def test_it_goes_on_page_by_page_even_where_one_is_empty(self):
        pages = [
            {"items": [{"seq": 8}], "next": "8"},
            {"items": [], "next": "500"},
            {"items": [{"seq": 501}, {"seq": 502}], "next": None},
        ]
        with Server(*((200, {}, page) for page in pages)) as server:
            found = [event["seq"] for event in Client(server.url, "key").events("a", after=7, delivered=False)]
        self.assertEqual(found, [8, 501, 502])
        paths = [path for _, path, _, _ in server.asked]
        self.assertEqual(paths, [f"/v1/accounts/a/events?after={after}&limit=200&delivered=false" for after in (7, 8, 500)])


class Verifying(unittest.TestCase):
    KEYS = [bytes([number]) * 24 for number in (1, 2, 3)]
    SECRETS = ["whsec_" + base64.b64encode(key).decode() for key in KEYS]
    BODY = '{"type":"a.b","timestamp":"2025-01-15T10:30:00Z","data":{"é":1.10}}'.encode()

    def head(self, *keys, at=1_000):
        signed = f"msg_1.{at}.".encode() + self.BODY
        each = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
        signature = " ".join(f"v1,{signature}" for signature in each)
        return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(at), "Webhook-Signature": signature}

    def test_what_is_genuine_is_read(self):
        verified = verify(self.head(self.KEYS[0]), self.BODY, self.SECRETS[0], now=1_299)
        self.assertEqual((verified.id, verified.type, verified.data), ("msg_1", "a.b", {"é": 1.1}))
        both = self.head(self.KEYS[0], self.KEYS[1])
        for secrets in (self.SECRETS[0], self.SECRETS[1], self.SECRETS[1:], self.SECRETS):
            verify(both, self.BODY, secrets, now=1_000)

    def test_what_is_not_is_refused(self):
        head = self.head(self.KEYS[0])
        for changed, body, secrets, now in [
            (head, self.BODY + b" ", self.SECRETS, 1_000),
            (head, self.BODY, self.SECRETS[1:], 1_000),
            (head, self.BODY, self.SECRETS, 1_301),
            (head, self.BODY, self.SECRETS, 699),
            ({**head, "Webhook-Id": "msg_2"}, self.BODY, self.SECRETS, 1_000),
            ({**head, "Webhook-Timestamp": "1001"}, self.BODY, self.SECRETS, 1_000),
            ({**head, "Webhook-Timestamp": "١٠٠٠"}, self.BODY, self.SECRETS, 1_000),
            ({**head, "Webhook-Signature": "v1,é v2,x v1,"}, self.BODY, self.SECRETS, 1_000),
            ({name: value for name, value in head.items() if name != "Webhook-Signature"}, self.BODY, self.SECRETS, 1_000),
        ]:
            with self.assertRaises(VerificationError):
                verify(changed, body, secrets, now=now)
        for secrets in ([], "", "whsec_", "whsec_c2hvcnQ=", "not base64 at all, not at all"):
            with self.assertRaises(ValueError):
                verify(head, self.BODY, secrets, now=1_000)


if __name__ == "__main__":
    unittest.main()
