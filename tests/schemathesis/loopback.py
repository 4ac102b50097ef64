"""Whatever is made up, deliveries stay on this machine: a URL that could be accepted becomes one on which nobody listens."""

import schemathesis

NOBODY = "http://127.0.0.1:9/"
URL_LENGTH_MAX = 2048  # a longer one is refused, and is sent as it is


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    url = body.get("url") if isinstance(body, dict) else None
    if isinstance(url, str) and len(url) <= URL_LENGTH_MAX and url.strip().lower().startswith("http"):
        case.body = {**body, "url": NOBODY}
