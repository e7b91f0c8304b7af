"""The client end of docs/wire-protocol.md: it carries the packets of one session from its CONNECT until the connection is
lost, over one WebSocket after the other (§8).

- One task writes. A frame and its reply are one turn; nothing else is sent before the turn is over (§3).
- What comes in is dealt with at once, in the order of its arrival, and never waits for a task.
- A socket is anything with send(text), close() and asynchronous iteration over the texts that come in.
"""
import asyncio
from typing import Any, Awaitable, Callable, Iterator, List, Optional, Set

import packets
import wire
from pushes import PushOrder

REPLY_WITHIN = 35.0  # s, all of them
HOLE_AFTER = 2.0
PING_AFTER = 540.0
MOVE_AFTER = 115 * 60.0
MOVE_AGAIN_AFTER = 30.0
CLOSE_OLD_AFTER = 5.0


def _now() -> float:
    return asyncio.get_running_loop().time()


def _pauses() -> Iterator[float]:
    pause = 0.25
    while True:
        yield pause
        pause = min(2 * pause, 4.0)


class Lost(Exception):
    """The connection is over; the text says why."""


class _Link:
    """One WebSocket of the conversation."""

    def __init__(self, socket: Any, owner: "Conversation") -> None:
        self.socket, self.owner, self.opened, self.sent = socket, owner, _now(), _now()
        self.token: Optional[str] = None
        self.pushes, self.parts = PushOrder(), wire.Parts()
        self.left = False  # the session has moved on, or is about to: numbered pushes are ignored
        self.lost = False
        self.in_flight: Optional["asyncio.Future[Any]"] = None
        self.carried = 0  # packets that the frame in flight completes
        self.reader = asyncio.ensure_future(self._read())

    async def exchange(self, frame: str, carried: int = 0) -> wire.Reply:
        """Sends one frame, again where the gateway throttles it (§6), until it has its reply."""
        pauses = _pauses()
        while not self.lost:
            self.in_flight = asyncio.get_running_loop().create_future()
            self.sent, self.carried = _now(), carried
            await self.socket.send(frame)
            answer = await asyncio.wait_for(self.in_flight, REPLY_WITHIN)
            if isinstance(answer, wire.Reply):
                return answer
            await asyncio.sleep(next(pauses))
        raise Lost("the socket is closed")

    async def _read(self) -> None:
        why: Any = "the socket was closed"
        try:
            async for text in self.socket:
                self._deal_with(wire.decode(text))
        except asyncio.CancelledError:
            raise
        except Lost as lost:
            why = str(lost)
        except wire.Malformed as malformed:
            why = f"malformed frame: {malformed}"
        except OSError as error:
            why = f"the socket was closed: {error}"
        except Exception as bug:  # of whoever takes the packets
            why = bug
        self.lost = True
        self.owner.link_lost(self, why)
        if self.in_flight and not self.in_flight.done():
            self.in_flight.set_exception(Lost(str(why)))

    def _deal_with(self, frame: Any) -> None:
        if isinstance(frame, wire.Push):
            if frame.close:
                raise Lost(frame.close)
            if self.left and frame.first is not None:
                return
            whole = self.parts.add(frame, _now())
            if whole:
                self.owner.hand_on(self.pushes.add(whole, _now()))
        elif isinstance(frame, wire.Gateway):
            if not frame.throttled:
                raise Lost(f"the gateway says: {frame.message}")
            self._answered(frame)
        else:
            self._deal_with_reply(frame)
            self._answered(frame)
        self.owner.look_for_holes()

    def _deal_with_reply(self, reply: wire.Reply) -> None:
        if not self.in_flight or self.in_flight.done() or reply.taken > self.carried:
            raise wire.Malformed("a reply to nothing, or to more than was sent")
        self.token = reply.token or self.token
        self.owner.taken(reply.taken)
        for packet in reply.packets:
            self.owner.hand_on([packet])
            if wire.type_of(packet) == wire.CONNACK:
                self.owner.hand_on(self.pushes.start(1, _now()))
        if reply.close:
            raise Lost(reply.close)
        if reply.next is not None:
            self.owner.hand_on(self.pushes.start(reply.next, _now()))

    def _answered(self, answer: Any) -> None:
        if self.in_flight and not self.in_flight.done():
            self.in_flight.set_result(answer)

    async def close(self) -> None:
        self.reader.cancel()
        await self.socket.close()


class Conversation:
    """Made inside a running loop, for one connection."""

    def __init__(
        self,
        open_socket: Callable[[], Awaitable[Any]],
        on_packet: Callable[[bytes], None],
        on_sent: Callable[[List[bytes]], None] = lambda sent: None,
        persistent: bool = False,
        ping_after: float = PING_AFTER,
    ) -> None:
        self._open_socket, self._on_packet, self._on_sent = open_socket, on_packet, on_sent
        self._persistent, self._ping_after = persistent, ping_after
        self._outbox: List[bytes] = []
        self._ready, self._hole, self._greeted = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._turn = asyncio.Lock()
        self._ended: "asyncio.Future[str]" = asyncio.get_running_loop().create_future()
        self._links: List[_Link] = []
        self._tasks: List["asyncio.Future[None]"] = []
        self._timer: Optional[asyncio.TimerHandle] = None
        self._acknowledged: Set[int] = set()  # packet ids whose PUBACK the broker had not taken when the session moved

    async def run(self, *first: bytes) -> str:
        """From the first packet, the CONNECT, until the connection is lost: then why."""
        try:
            self._link = await self._open()
            self.send(*first)
            self._start(self._write())
            self._start(self._move_in_time())
            return await self._ended
        except (OSError, asyncio.TimeoutError) as error:
            return f"no connection: {error or type(error).__name__}"
        finally:
            for task in self._tasks:
                task.cancel()
            if self._timer:
                self._timer.cancel()
            await asyncio.gather(*(link.close() for link in self._links), return_exceptions=True)

    def send(self, *ready: bytes) -> None:
        """They leave in this order, together where one frame holds them."""
        self._outbox += ready
        self._ready.set()

    def acknowledge(self, packet: bytes) -> None:
        """One that is still to be sent, or under way, does for the message that came twice as well."""
        if packet not in self._outbox:
            self.send(packet)

    # What the links tell

    def hand_on(self, arrived: List[bytes]) -> None:
        for packet in arrived:
            if wire.type_of(packet) == wire.PUBLISH and wire.qos_of(packet) == 1:
                message = packets.read_message(packet)
                if not message.dup:  # what comes again comes before it: the packet ids of the rest are free
                    self._acknowledged.clear()
                elif message.packet_id in self._acknowledged:  # §8, step 4
                    self._acknowledged.remove(message.packet_id)
                    self.acknowledge(packets.acknowledgement(wire.PUBACK, message.packet_id))
                    continue
            if wire.type_of(packet) == wire.CONNACK:
                self._greeted.set()
            self._on_packet(packet)

    def taken(self, count: int) -> None:
        if any(wire.type_of(each) == wire.CONNECT for each in self._outbox[:count]):
            self._start(asyncio.wait_for(self._greeted.wait(), REPLY_WITHIN))
        del self._outbox[:count]

    def look_for_holes(self) -> None:
        since = None if self._link.left else self._link.pushes.waiting_since()
        if self._timer:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = None if since is None else loop.call_at(since + HOLE_AFTER, self._end_of_patience)

    def link_lost(self, link: _Link, why: Any) -> None:
        if link is not self._link or self._ended.done():
            return
        if isinstance(why, Exception):
            self._ended.set_exception(why)
        else:
            self._ended.set_result(why)

    # What has its time

    def _end_of_patience(self) -> None:
        """With a hole before what waits (§5)."""
        if self._link.token:
            self._link.left = True
            self._link.pushes.forget()
            self._hole.set()
        elif self._persistent:
            self._link.left = True
            self.link_lost(self._link, "a push is missing")
        else:
            try:
                self.hand_on(self._link.pushes.skip())
            except Exception as bug:
                self.link_lost(self._link, bug)

    async def _write(self) -> None:
        rests = _pauses()
        while True:
            await self._something_to_send()
            async with self._turn:
                if await self._send_once() > 0:
                    rests = _pauses()
                    continue
            await asyncio.sleep(next(rests))

    async def _something_to_send(self) -> None:
        while not self._outbox:
            self._ready.clear()
            try:
                await asyncio.wait_for(self._ready.wait(), max(0, self._link.sent + self._ping_after - _now()))
            except asyncio.TimeoutError:
                self.send(packets.PINGREQ)

    async def _send_once(self) -> int:
        """How many packets the broker took. A move, which had the turn before, may have left nothing to send."""
        taken = 1
        if self._outbox:
            frames, carried = wire.client_frames(self._outbox)
            self._on_sent(self._outbox[:carried])
            for frame in frames:
                taken = (await self._link.exchange(frame, carried if frame is frames[-1] else 0)).taken
        return taken

    async def _move_in_time(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._hole.wait(), max(0, self._link.opened + MOVE_AFTER - _now()))
            except asyncio.TimeoutError:
                if not self._link.token:
                    return  # then the gateway cuts the connection off, and the session is resumed by a CONNECT
            second = await self._open_second()
            if second:
                async with self._turn:
                    if not second.lost:
                        await self._move(second)
                        continue
                self._links.remove(second)
            await asyncio.sleep(MOVE_AGAIN_AFTER)

    async def _open_second(self) -> Optional[_Link]:
        try:
            return await self._open()
        except (OSError, asyncio.TimeoutError):
            return None

    async def _move(self, second: _Link) -> None:
        first, self._link = self._link, second
        first.left = True
        first.pushes.forget()
        pubacks = (each for each in self._outbox if wire.type_of(each) == wire.PUBACK)
        self._acknowledged = {packets.packet_id_of(each) for each in pubacks}
        # What they answer comes again, and only then is answered again.
        self._outbox = [each for each in self._outbox if wire.type_of(each) not in (wire.PUBACK, wire.PUBREC)]
        reply = await second.exchange(f"^{first.token}")
        if reply.taken or reply.next is None or reply.token is None:
            raise Lost("the session did not move")
        self._hole.clear()
        self._start(self._retire(first))

    async def _retire(self, link: _Link) -> None:
        await asyncio.sleep(CLOSE_OLD_AFTER)
        self._links.remove(link)
        await link.close()

    async def _open(self) -> _Link:
        link = _Link(await self._open_socket(), self)
        self._links.append(link)
        return link

    def _start(self, work: Awaitable[Any]) -> None:
        async def watched() -> None:
            try:
                await work
            except asyncio.TimeoutError:
                self.link_lost(self._link, f"no answer within {REPLY_WITHIN:.0f} s")
            except (Lost, OSError) as lost:
                self.link_lost(self._link, str(lost))
            except Exception as bug:
                self.link_lost(self._link, bug)

        self._tasks.append(asyncio.ensure_future(watched()))
