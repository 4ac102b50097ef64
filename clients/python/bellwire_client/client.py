"""Publishing events, and reading an account's log."""

import email.utils
import http.client
import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, cast

from .types import Event, EventPublish, Problem, Receipt

PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Statuses that another attempt may change."""
PAGE = 200
"""Events of one page of the log."""


class BellwireError(Exception):
    """A request that was refused, or that was not answered."""

    def __init__(self, message: str, status: int | None = None, problem: Problem | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The status of the answer; None: there was none."""
        self.problem = problem
        """What the answer says, if it is a problem (RFC 9457)."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Nobody else gets the key."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Client:
    """A client of one server, with one API key. Threads may share it."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        attempts: int = 6,
        first_pause_s: float = 0.2,
        pause_max_s: float = 60.0,
        timeout_s: float = 30.0,
    ) -> None:
        """`first_pause_s` is the longest pause after the first attempt; it doubles with each further one, up to `pause_max_s`.
        A server that asks for a longer pause than that is not asked again."""
        self._url = url.rstrip("/")
        self._key = key
        self._attempts = attempts
        self._first_pause_s = first_pause_s
        self._pause_max_s = pause_max_s
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(_NoRedirects)

    def publish(self, account: str, event: EventPublish) -> Receipt:
        """Publishes an event.

        It is safe to call this again with the same event: one with an id is stored once. An event without an id gets one here, so that
        an attempt whose answer was lost does not publish it twice.
        """
        return self.publish_all(account, [event])[0]

    def publish_all(self, account: str, events: Iterable[EventPublish]) -> list[Receipt]:
        """Publishes several events, all or none; at most 1,000."""
        identified = [{**event, "id": event.get("id") or str(uuid.uuid4())} for event in events]
        return cast(list[Receipt], self.request("POST", _log_of(account), {"events": identified})["items"])

    def events(
        self,
        account: str,
        *,
        after: int = 0,
        delivered: bool | None = None,
        endpoint: str | None = None,
        type: str | None = None,
    ) -> Iterator[Event]:
        """An account's events in the order of `seq`, which has no gaps, up to the end of the log.

        Keep the `seq` of the last event that you have dealt with, and go on after it the next time. `delivered` chooses those that were
        delivered, or that were not: to any endpoint, or to `endpoint`.
        """
        chosen = {
            "delivered": None if delivered is None else str(delivered).lower(),
            "endpoint": endpoint,
            "type": type,
        }
        given = {name: value for name, value in chosen.items() if value is not None}
        place: str | None = str(after)
        while place is not None:
            query = urllib.parse.urlencode({"after": place, "limit": PAGE, **given})
            page = self.request("GET", f"{_log_of(account)}?{query}")
            yield from page["items"]
            place = page.get("next")

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Sends a request of /v1, again while that may help: with pauses that grow and are drawn at random, and no shorter than the
        server asks for. Use it for requests that may be repeated."""
        attempt = 0
        while True:
            attempt += 1
            wanted = 0.0
            try:
                return self._send(method, path, body)
            except urllib.error.HTTPError as answer:
                error, wanted = _refused(answer)
                if error.status not in PASSING:
                    raise error from None
            except (OSError, http.client.HTTPException) as cause:
                error = BellwireError(f"{method} {path} was not answered")
                error.__cause__ = cause
            longest = min(self._pause_max_s, self._first_pause_s * 2 ** (attempt - 1))
            pause = max(random.uniform(longest / 2, longest), wanted)
            if attempt >= self._attempts or pause > self._pause_max_s:
                raise error
            time.sleep(pause)

    def _send(self, method: str, path: str, body: Any) -> Any:
        headers = {"authorization": f"Bearer {self._key}", "accept": "application/json"}
        data = None
        if body is not None:
            headers["content-type"] = "application/json"
            data = json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method=method)
        with self._opener.open(request, timeout=self._timeout_s) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def _log_of(account: str) -> str:
    return f"/v1/accounts/{urllib.parse.quote(account, safe='')}/events"


def _refused(answer: urllib.error.HTTPError) -> tuple[BellwireError, float]:
    """What an answer says, and for how many seconds it asks to be left alone."""
    problem: Problem | None = None
    if answer.headers.get_content_type() == "application/problem+json":
        problem = json.loads(answer.read())
    message = f"{problem['title']}: {problem['detail']}" if problem else f"the answer has status {answer.code}"
    return BellwireError(message, answer.code, problem), _retry_after_s(answer.headers.get("retry-after"))


def _retry_after_s(text: str | None) -> float:
    """Seconds, or a date (RFC 9110)."""
    if text is None:
        return 0.0
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0
