"""A receiver of webhooks that keeps the prices of providers: https://www.standardwebhooks.com.

    pip install .                                          # for exact rates; the rest is Python's
    WEBHOOK_SECRET=whsec_... python examples/receive_webhooks.py 9000

Events may come twice, and in any order. So each model keeps the revision of the event that it is
from, and an event with an older one changes nothing: every price in it is whole, not a difference.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from pricing_sync import Per, Rate

#: A request that is older was recorded by somebody.
TOLERANCE_SECONDS = 300


class Prices:
    """The rates of each model by meter, in the currency per million units."""

    def __init__(self) -> None:
        self.rates: dict[tuple[str, str], dict[str, Rate]] = {}
        #: The ledger's revision that each model is from, also of models that are not sold any more.
        self.revisions: dict[tuple[str, str], int] = {}
        #: Where the rest of an event can be read that was too large to be sent whole.
        self.to_read: dict[str, str] = {}
        self._lock = Lock()

    def take(self, message: dict[str, Any]) -> None:
        """Take an event. A second time, or later than a newer one, it changes nothing."""
        if message["type"] != "price.changed":
            return
        event = message["data"]
        with self._lock:
            for change in event["changes"]:
                model = event["provider"], change["model"]
                if event["revision"] <= self.revisions.get(model, 0):
                    continue
                self.revisions[model] = event["revision"]
                rates = (change["new"] or {}).get("rates")
                self.rates.pop(model, None)
                if rates is not None:
                    self.rates[model] = {
                        meter: Rate.of(amount, Per.MILLION) for meter, amount in rates.items()
                    }
            if event["omitted"]:
                self.to_read[event["provider"]] = event["link"]


def is_genuine(headers: Any, body: bytes, secret: str) -> bool:
    """Whether a request is signed with the secret, and from now."""
    try:
        age = time.time() - int(headers["webhook-timestamp"])
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    except (KeyError, TypeError, ValueError):
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    # There are two while the sender replaces its secret.
    given = str(headers["webhook-signature"]).encode().split()
    is_signed = any(hmac.compare_digest(expected, one) for one in given)
    return is_signed and abs(age) <= TOLERANCE_SECONDS


def serve(port: int, secret: str) -> None:
    prices = Prices()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not is_genuine(self.headers, body, secret):
                self.send_error(401)
                return
            message = json.loads(body)
            prices.take(message)
            # An answer within 10 seconds. What takes longer is done after it.
            self.send_response(204)
            self.end_headers()
            print(message["type"], self.headers["webhook-id"], len(prices.rates), flush=True)

        def log_message(self, *_: Any) -> None:
            """Only events are printed."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), os.environ["WEBHOOK_SECRET"])
