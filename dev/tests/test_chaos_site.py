"""The site of `make chaos` over HTTP: what it records, which troubles it makes, and that a caller gets past them."""

import hashlib
import hmac
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaos.flow import receipt
from chaos.options import FAULTS, SHORT_FAULTS, parse
from chaos.site import SERVICE_TROUBLES, TROUBLES, Site

Start = Callable[..., Site]


@pytest.fixture
def start() -> Iterator[Start]:
    sites: list[Site] = []

    def started(*arguments: str, troubled: bool = True) -> Site:
        site = Site(parse(["--seed", "1", *arguments]))
        site.troubled = troubled
        threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        sites.append(site)
        return site

    yield started
    for site in sites:
        site.shutdown()
        site.server_close()


def post(site: Site, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    """Returns the status and the JSON of the answer; status 0 if the connection was reset or the answer was cut short."""
    connection = http.client.HTTPConnection("127.0.0.1", site.server_address[1], timeout=10)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (ConnectionError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()


def test_a_request_without_trouble_is_one_effect_with_the_receipt_of_its_key(start: Start) -> None:
    site = start(troubled=False)
    status, answer = post(site, "/effects/run_1/charge", b'{"a":1}', {"Idempotency-Key": "k"})
    assert (status, answer["receipt"]) == (200, receipt("k"))
    (sent,), _ = site.records()
    assert (sent.run, sent.node, sent.key, sent.body, sent.done, sent.answered) == ("run_1", "charge", "k", b'{"a":1}', True, True)


def test_a_caller_that_repeats_gets_past_every_trouble(start: Start) -> None:
    site = start()
    for number in range(60):
        statuses = []
        while 200 not in statuses:
            statuses.append(post(site, f"/effects/run_{number}/charge", b"{}", {"Idempotency-Key": f"k{number}"})[0])
        assert len(statuses) <= TROUBLES + 1
        assert set(statuses) <= {200, 503, 0}
    assert {f"service: {kind}" for kind in SERVICE_TROUBLES} == set(site.troubles)
    sent, _ = site.records()
    assert all(each.done or not each.answered for each in sent), "there is no answer without the effect"
    assert {each.done for each in sent if not each.answered} == {True, False}, "some fail before the effect, and some after it"


def test_a_fault_that_is_off_makes_no_trouble(start: Start) -> None:
    site = start("--faults", "kill")
    assert all(post(site, "/effects/r/charge", b"{}", {"Idempotency-Key": str(number)})[0] == 200 for number in range(30))
    assert not site.troubles


def test_an_event_is_recorded_with_whether_its_signature_is_right(start: Start) -> None:
    site = start(troubled=False)
    site.secret = "secret"
    body = json.dumps({"id": "evt_1", "event": "flow.run.started", "data": {"runId": "run_1"}}).encode()
    tag = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    for signature in (f"sha256={tag}", "sha256=00"):
        post(site, "/events", body, {"X-Quantum-Delivery": "d", "X-Quantum-Signature": signature})
    _, events = site.records()
    assert [(event.run, event.name, event.id, event.signed) for event in events] == [
        ("run_1", "flow.run.started", "evt_1", True),
        ("run_1", "flow.run.started", "evt_1", False),
    ]


def test_the_command_runs_the_same_troubles_again() -> None:
    options = parse(["--short", "--seed", "7"])
    assert options.faults == set(SHORT_FAULTS)
    assert options.command() == "make chaos SEED=7 RUNS=16 SECONDS=45 FAULTS=kill,model,service,redeliver,ticks"
    assert parse([]).faults == set(FAULTS)
    with pytest.raises(SystemExit):
        parse(["--faults", "earthquake"])
