"""What the Python receivers share: arguments, the lines on standard output, the life of the process.

A receiver makes one `Receiver`, decorates its view with `endpoint` and calls `run`. The view refuses with Flask's
`abort(status, reason)`, or returns `accept(...)`. Every answer, also Flask's own (a body that is not JSON, a method
other than POST), leaves one line of JSON on standard output.
"""

import argparse
import base64
import json
import logging
import os
import sys
import threading

from flask import Flask, abort, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server


class Receiver:
    def __init__(self, description):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--secret", required=True, help="the webhook secret agreed with the sender")
        parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
        parser.add_argument("--status", type=int, default=200, help="the answer to a verified request")
        options = parser.parse_args()
        self.secret = options.secret
        self._port = options.port
        self._status = options.status
        self._seen = set()
        self._lock = threading.Lock()
        self._app = Flask("receiver")
        self._app.register_error_handler(HTTPException, lambda error: self._refuse(error.code, error.description))

    def endpoint(self, view):
        """Serves `view` for a POST to any path."""
        self._app.add_url_rule("/", "root", view, methods=["POST"])
        self._app.add_url_rule("/<path:_>", "path", lambda _: view(), methods=["POST"])
        return view

    def accept(self, event_type, event_id, answer=""):
        """Reports a verified request and answers it."""
        with self._lock:
            duplicate = event_id is not None and event_id in self._seen
            self._seen.add(event_id)
        self._report(True, None, duplicate, event_type, event_id, self._status)
        return answer, self._status

    def run(self):
        """Serves until standard input ends, so that no receiver outlives the process that started it."""
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = make_server("127.0.0.1", self._port, self._app, threaded=True)
        threading.Thread(target=_exit_with_stdin, daemon=True).start()
        print(f"listening {server.server_port}", flush=True)
        server.serve_forever()

    def _refuse(self, status, reason):
        self._report(False, reason, False, None, None, status)
        return jsonify(error=reason), status

    def _report(self, verified, reason, duplicate, event_type, event_id, status):
        line = json.dumps(
            {
                "verified": verified,
                "reason": reason,
                "duplicate": duplicate,
                "event_type": event_type,
                "event_id": event_id,
                "status": status,
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "body_base64": base64.b64encode(request.get_data()).decode(),
            }
        )
        with self._lock:
            print(line, flush=True)


def json_object():
    """The body as a JSON object; anything else is refused with 400."""
    body = request.get_json()
    if not isinstance(body, dict):
        abort(400, "the body is not a JSON object")
    return body


def _exit_with_stdin():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)
