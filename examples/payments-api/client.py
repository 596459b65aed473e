"""Asks the bank, by HTTP, once. Who tries again, and how often, is the job's business."""

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ADDRESS = Path("service.url")
TIMEOUT_SECONDS = 0.5


class TryAgainError(Exception):
    """The bank could not answer: it may have done the work or not."""


class RefusedError(Exception):
    """The bank will not do it, however often it is asked."""


# Whatever else can happen on the way: refused and lost connections, time-outs, half an answer.
TRANSIENT = (TryAgainError, ConnectionError, TimeoutError, http.client.HTTPException)


def ask(path: str, order: dict[str, Any], key: str) -> dict[str, Any]:
    """What the bank answers to an order; the same order has the same key, however often it is sent.

    Raises:
        RefusedError: it will not.
        TryAgainError: it could not; so says every other error of ``TRANSIENT``.
    """
    bank = urlsplit(ADDRESS.read_text().strip())
    line = http.client.HTTPConnection(bank.hostname or "", bank.port, timeout=TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    try:
        line.request("POST", path, json.dumps(order), headers)
        response = line.getresponse()
        status, answer = response.status, json.loads(response.read() or b"{}")
    finally:
        line.close()
    if status == 429 or status >= 500:
        raise TryAgainError(f"the bank answered {status}")
    if status >= 400:
        raise RefusedError(answer.get("error", f"the bank answered {status}"))
    return dict(answer)
