"""A Develop Health client: the header carries a JWT made with the webhook's secret, checked with PyJWT.

The published check says nothing of the body. Bellwire's token also claims the body's SHA-256, and this client looks.
"""

import hashlib

import jwt
from flask import abort, request

from receiver import Receiver, json_object

receiver = Receiver(__doc__)


@receiver.endpoint
def webhook():
    token = request.headers.get("X-Webhook-Secret", "")
    try:
        claims = jwt.decode(token, receiver.secret, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        abort(401, f"the token does not hold: {error}")
    if claims.get("body_sha256") != hashlib.sha256(request.get_data()).hexdigest():
        abort(401, "the token was made for another body")
    # The document gives its events no id of their own; a `jti` is the nearest thing.
    return receiver.accept(json_object().get("event_type"), claims.get("jti"))


receiver.run()
