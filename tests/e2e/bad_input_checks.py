"""What every bad request must get, and what must still work after it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from order_books import made_up
from punctual_server import Client, Reply, Server, Wire, post, user

NUMBERS = [0.25] * 22  # a valid input of the mlp
GOOD = {"user": user(), "model": "mlp", "inputs": {"book": NUMBERS}}


def check_error(reply: Reply, status: int, code: str, *parts: str) -> None:
    """The documented status, and JSON with the code and a message that has `parts`, the field's name among them."""
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/json"
    error = reply.json()["error"]
    assert set(error) == {"code", "message"}
    assert error["code"] == code, error
    for part in parts:
        assert part in error["message"], error


@dataclass
class Healthy:
    """A server that answered a good request, and must go on answering it so."""

    server: Server
    outputs: dict = field(init=False)
    sequence: int = 0

    def __post_init__(self):
        with self.server.client() as client:
            self.outputs = client.answer(GOOD)["outputs"]

    def check_wire(self, wire: Wire) -> None:
        """A good request on a connection that has had a bad one."""
        reply = wire.send(post("/v1/predict", json.dumps(GOOD))).read()
        assert reply.status == 200, reply
        assert reply.json()["outputs"] == self.outputs

    def check_client(self, client: Client) -> None:
        assert client.answer(GOOD)["outputs"] == self.outputs

    def check_anew(self) -> None:
        """Good requests of both kinds on a new connection."""
        with self.server.client() as client:
            self.check_client(client)
            self.sequence += 1
            assert client.publish("HEALTHY", made_up(self.sequence)).json() == {"published": 1}

    def refuses(self, request: bytes, status: int, code: str, *parts: str) -> None:
        """Sends it and checks the error; then that both this connection, where it stays open, and a new one work."""
        with self.server.wire() as wire:
            reply = wire.send(request).read()
            check_error(reply, status, code, *parts)
            if reply.closes:
                assert wire.is_closed()
            else:
                self.check_wire(wire)
        self.check_anew()
