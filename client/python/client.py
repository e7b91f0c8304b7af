"""A small MQTT 3.1.1 client for serverless-mqtt, an example for authors of devices. docs/wire-protocol.md is all it knows.

It leaves out: user name and password, a Last Will, retained messages, several filters in one SUBSCRIBE, a store on disk (what
was not acknowledged is lost with the process), and a bound on what waits to be sent.

- A message is acknowledged when on_message has returned.
- What awaits its acknowledgement is sent again on the next connection, with DUP where the session was resumed.
- QoS 2 is that of MQTT 3.1.1 §4.3.3, method B: a packet id that is known is not handed on again until its PUBREL.
"""
import asyncio
import random
from contextlib import contextmanager
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, Iterator, List, NamedTuple, Optional, Set

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

import packets
import wire
from conversation import PING_AFTER, REPLY_WITHIN, Conversation
from packets import Message

# Reasons that connecting again does not mend: somebody must change what is sent, or another client has taken the id.
FINAL = ("malformed-frame", "malformed-packet", "protocol-violation", "topic-invalid", "packet-too-large", "unsupported")
FINAL += ("refused", "session-taken-over", "disconnected")
SUB_PROTOCOL = "mqtt.base64"
DISCONNECT_WITHIN = 5.0  # s
STEADY_AFTER = 30.0  # s after which a connection is no longer one of a storm
ANSWERS = (wire.PUBACK, wire.PUBCOMP, wire.SUBACK, wire.UNSUBACK)


class Ended(Exception):
    """The client has ended for good; the text says why."""


class _Request(NamedTuple):
    packet: bytes
    answer: "asyncio.Future[bytes]"


class Client:
    """async with Client(url, "pump-7", on_message=...) as client: connected, and connects again until the block is left."""

    def __init__(
        self,
        url: str,
        client_id: str,
        on_message: Callable[[Message], None],
        clean: bool = True,
        keep_alive: int = 300,  # s; each PINGREQ costs the owner of the broker a frame
        on_connect: Callable[[bool], None] = lambda session_present: None,
        on_lost: Callable[[str], None] = lambda why: None,
        open_socket: Optional[Callable[[], Awaitable[Any]]] = None,
    ) -> None:
        self._connect = packets.connect(client_id, clean, keep_alive)
        self._clean, self._ping_after = clean, min(keep_alive or PING_AFTER, PING_AFTER)
        self._on_message, self._on_connect, self._on_lost = on_message, on_connect, on_lost
        self._open_socket = open_socket or (lambda: open_websocket(url))
        self._requests: Dict[int, _Request] = {}  # in the order in which they were made
        self._received: Set[int] = set()  # packet ids of QoS 2 messages whose PUBREL has not come
        self._next_id = 0
        self._leaving = False
        self._conversation: Optional[Conversation] = None
        self._accepted_at: Optional[float] = None  # of this connection

    async def __aenter__(self) -> "Client":
        self._connected = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(self._run())
        try:
            await asyncio.wait({self._task, self._connected}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if self._task.done():
            self._task.result()
        return self

    async def __aexit__(self, kind: Any, *_: Any) -> None:
        """DISCONNECT goes behind all that was sent before. Where the client has ended by itself, this says why."""
        if self._task.done() and kind is None:
            self._task.result()
        if self._online():
            self._leaving = True
            self._conversation.send(packets.DISCONNECT)
            await asyncio.wait({self._task}, timeout=DISCONNECT_WITHIN)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def ended(self) -> None:
        """Until the client ends for good, which raises Ended, or whatever on_message raised."""
        await asyncio.shield(self._task)

    async def publish(self, topic: str, payload: bytes, qos: int = 0) -> None:
        """Returns when it is acknowledged, with QoS 0 at once. What is published at QoS 0 without a connection is lost."""
        if qos > 0:
            await self._request(lambda packet_id: packets.publish(topic, payload, qos, packet_id))
        elif self._online():
            self._conversation.send(packets.publish(topic, payload, 0, 0))

    async def subscribe(self, topic_filter: str, qos: int = 1) -> int:
        """The QoS that is granted, or 128 for none."""
        return (await self._request(lambda packet_id: packets.subscribe(topic_filter, qos, packet_id)))[-1]

    async def unsubscribe(self, topic_filter: str) -> None:
        await self._request(lambda packet_id: packets.unsubscribe(topic_filter, packet_id))

    async def _request(self, make: Callable[[int], bytes]) -> bytes:
        if self._task.done():
            raise Ended("this client has ended")
        self._next_id = self._next_id % 65_535 + 1
        while self._next_id in self._requests:
            self._next_id = self._next_id % 65_535 + 1
        request = _Request(make(self._next_id), asyncio.get_running_loop().create_future())
        self._requests[self._next_id] = request
        if self._online():
            self._conversation.send(request.packet)
        return await request.answer

    def _online(self) -> bool:
        return self._accepted_at is not None and not self._task.done()

    async def _run(self) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        try:
            while True:
                self._conversation = Conversation(
                    self._open_socket, self._on_packet, self._on_sent, not self._clean, self._ping_after
                )
                self._accepted_at = None
                why = await self._conversation.run(self._connect)
                if self._accepted_at is not None and loop.time() >= self._accepted_at + STEADY_AFTER:
                    failures = 0
                self._accepted_at = None
                if not self._leaving:
                    self._on_lost(why)
                if why in FINAL or self._leaving:
                    raise Ended(why)
                await asyncio.sleep(random.uniform(0, min(30, 2**failures)))
                failures += 1
        finally:
            for request in self._requests.values():
                if not request.answer.done():
                    request.answer.set_exception(Ended("this client has ended"))

    def _on_sent(self, sent: List[bytes]) -> None:
        """From now on they may have arrived: on a later connection they go with DUP [MQTT-3.3.1-1]."""
        for packet in sent:
            if wire.type_of(packet) == wire.PUBLISH and wire.qos_of(packet) > 0:
                packet_id = packets.read_message(packet).packet_id
                if packet_id in self._requests:
                    self._requests[packet_id] = self._requests[packet_id]._replace(packet=packets.sent_again(packet, True))

    def _on_packet(self, packet: bytes) -> None:
        kind = wire.type_of(packet)
        if kind == wire.CONNACK:
            self._on_connack(packet)
        elif kind == wire.PUBLISH:
            self._on_publish(packets.read_message(packet))
        elif kind == wire.PUBREC:
            self._on_pubrec(packets.packet_id_of(packet))
        elif kind == wire.PUBREL:
            self._received.discard(packets.packet_id_of(packet))
            self._conversation.acknowledge(packets.acknowledgement(wire.PUBCOMP, packets.packet_id_of(packet)))
        elif kind in ANSWERS:
            request = self._requests.pop(packets.packet_id_of(packet), None)
            if request and not request.answer.done():
                request.answer.set_result(packet)

    def _on_connack(self, connack: bytes) -> None:
        if packets.return_code_of(connack) != 0:
            return  # the reply says close=refused
        self._accepted_at = asyncio.get_running_loop().time()
        resumed = packets.session_present(connack)
        if not resumed:
            self._received.clear()
            for packet_id, request in list(self._requests.items()):
                if wire.type_of(request.packet) == wire.PUBREL:  # the message has arrived, and its session is over
                    self._requests.pop(packet_id).answer.set_result(b"")
        for request in self._requests.values():
            self._conversation.send(request.packet if resumed else packets.sent_again(request.packet, False))
        if not self._connected.done():
            self._connected.set_result(None)
        self._on_connect(resumed)

    def _on_pubrec(self, packet_id: int) -> None:
        pubrel = packets.acknowledgement(wire.PUBREL, packet_id)
        if packet_id in self._requests:
            self._requests[packet_id] = self._requests[packet_id]._replace(packet=pubrel)
        self._conversation.acknowledge(pubrel)

    def _on_publish(self, message: Message) -> None:
        if message.qos < 2:
            self._on_message(message)
        elif message.packet_id not in self._received:
            self._received.add(message.packet_id)
            self._on_message(message)
        if message.qos > 0:
            kind = wire.PUBACK if message.qos == 1 else wire.PUBREC
            self._conversation.acknowledge(packets.acknowledgement(kind, message.packet_id))


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except WebSocketException as error:
        raise ConnectionError(str(error)) from error


class _Socket:
    """A connection of `websockets`, with its errors as OSError."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self.close = connection, connection.close

    async def send(self, text: str) -> None:
        with _as_os_error():
            await self._connection.send(text)

    async def __aiter__(self) -> AsyncIterator[Any]:
        with _as_os_error():
            async for text in self._connection:
                yield text


async def open_websocket(url: str) -> _Socket:
    """Without the pings of WebSocket: what keeps the connection, and notices that it is dead, is PINGREQ (§7)."""
    with _as_os_error():
        connection = connect(
            url, subprotocols=[SUB_PROTOCOL], ping_interval=None, open_timeout=REPLY_WITHIN, close_timeout=1
        )
        return _Socket(await connection)
