"""Verifies one request with a library that others have written, as the customers of a platform do.

A JSON object on standard input says which `library`, and has the request (`method`, `url`, `headers` with names in lower
case, `body`) and what a receiver holds: a `secret`, or a public `key` (PEM, or a JWK where the library takes one). The exit
code is 0 where the library takes the request, and 1 where it does not.
"""

import base64
import hashlib
import json
import sys
import time


def slack(told):
    from slack_sdk.signature import SignatureVerifier

    return SignatureVerifier(told["secret"]).is_valid_request(told["body"], told["headers"])


def adyen(told):
    from Adyen.util import is_valid_hmac_notification

    # The library takes the signature out of what it is given.
    return is_valid_hmac_notification(json.loads(told["body"]), told["secret"])


def message_signatures(told):
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms

    class Keys(HTTPSignatureKeyResolver):
        def resolve_public_key(self, key_id):
            return load_pem_public_key(told["key"].encode())

        def resolve_private_key(self, key_id):
            raise NotImplementedError

    class Message:
        method, url, headers = told["method"], told["url"], told["headers"]

    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=Keys())
    covered = verifier.verify(Message())[0].covered_components
    digest = base64.b64encode(hashlib.sha256(told["body"].encode()).digest()).decode()
    return covered['"content-digest"'] == f"sha-256=:{digest}:"


def pyjwt(told):
    import jwt

    token = told["headers"]["plaid-verification"]
    if jwt.get_unverified_header(token)["alg"] != "ES256":
        return False
    claims = jwt.decode(token, jwt.PyJWK(told["key"]).key, algorithms=["ES256"])
    digest = hashlib.sha256(told["body"].encode()).hexdigest()
    return claims["iat"] > time.time() - 300 and claims["request_body_sha256"] == digest


LIBRARIES = {"slack_sdk": slack, "Adyen": adyen, "http-message-signatures": message_signatures, "PyJWT": pyjwt}


def main():
    told = json.load(sys.stdin)
    try:
        taken = LIBRARIES[told["library"]](told)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        taken = False
    sys.exit(0 if taken else 1)


if __name__ == "__main__":
    main()
