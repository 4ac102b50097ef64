"""A Silver client: the webhook secret itself stands in the `apiKey` header."""

from flask import abort, request

from receiver import Receiver, json_object

receiver = Receiver(__doc__)


@receiver.endpoint
def webhook():
    if request.headers.get("apiKey") != receiver.secret:
        abort(403, "apiKey is not the webhook secret")
    event = json_object()
    return receiver.accept(event.get("eventType"), event.get("eventId"))


receiver.run()
