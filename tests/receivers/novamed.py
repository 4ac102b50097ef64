"""A NovaMed client on Flask: the clinic's webhook secret stands in the `x-api-key` header."""

from flask import abort, jsonify, request

from receiver import Receiver, json_object

receiver = Receiver(__doc__)


@receiver.endpoint
def webhook():
    if request.headers.get("x-api-key") != receiver.secret:
        abort(401, "x-api-key is not the webhook secret")
    event = json_object()
    return receiver.accept(event.get("event_type"), event.get("event_id"), answer=jsonify(received=True))


receiver.run()
