"""A client of any contract that signs with Standard Webhooks headers, checked with the `standardwebhooks` package."""

from flask import abort, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from receiver import Receiver, json_object

receiver = Receiver(__doc__)
verifier = Webhook(receiver.secret)


@receiver.endpoint
def webhook():
    try:
        verifier.verify(request.get_data(), request.headers, json_parse=False)
    except (WebhookVerificationError, ValueError) as error:
        abort(401, f"not genuine: {error}")
    return receiver.accept(json_object().get("type"), request.headers["webhook-id"])


receiver.run()
