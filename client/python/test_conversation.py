"""The client end on sockets and in a time that the test plays."""
import asyncio
import base64
import itertools
import unittest
from typing import Any, List, Optional

import packets
import virtual_time
import wire
from conversation import Conversation
from test_wire import VECTORS, packets_of, text_of
from virtual_time import FakeSocket, settle

CONNECT, ACCEPTED, RESUMED = packets.connect("a", False, 0), b"\x20\x02\x00\x00", b"\x20\x02\x01\x00"


def text(*some: bytes) -> str:
    return base64.b64encode(b"".join(some)).decode()


def publish(packet_id: int, dup: bool = False) -> bytes:
    return packets.sent_again(packets.publish("a", b"", 1, packet_id), dup)


def push(first: Optional[int], *some: bytes) -> str:
    return f">{'' if first is None else first}:{text(*some)}"


def puback(packet_id: int) -> bytes:
    return packets.acknowledgement(wire.PUBACK, packet_id)


class Played:
    """A conversation; what it hands on, the sockets that it opens, and why it has ended."""

    def __init__(self, **options: Any) -> None:
        self.handed: List[bytes] = []
        self.sockets: List[FakeSocket] = []
        self.unreachable = False
        self.conversation = Conversation(self._open, self.handed.append, **options)
        self.task: "Optional[asyncio.Future[str]]" = None

    async def _open(self) -> FakeSocket:
        if self.unreachable:
            raise ConnectionError("unreachable")
        self.sockets.append(FakeSocket())
        return self.sockets[-1]

    async def start(self, *first: bytes) -> FakeSocket:
        self.task = asyncio.ensure_future(self.conversation.run(*first))
        await settle()
        return self.sockets[0]

    async def connected(self, token: str = ";token=t1") -> FakeSocket:
        socket = await self.start(CONNECT)
        await socket.say(f"!1{token}:{text(ACCEPTED)}")
        self.handed.clear()
        return socket

    async def write(self, *some: bytes) -> None:
        self.conversation.send(*some)
        await settle()

    def ids(self) -> List[int]:
        return [packets.read_message(each).packet_id for each in self.handed]


class VirtualTime(unittest.TestCase):
    """Each test is a coroutine, with a loop and a time of its own; a conversation that is still there at its end is stopped."""

    def _callTestMethod(self, method: Any) -> None:
        async def main() -> None:
            try:
                await method()
            finally:
                rest = asyncio.all_tasks() - {asyncio.current_task()}
                for task in rest:
                    task.cancel()
                await asyncio.gather(*rest, return_exceptions=True)

        virtual_time.run(main())


class Turns(VirtualTime):
    async def test_dialogues_of_the_vectors(self) -> None:
        for dialogue in VECTORS["dialogues"]:
            with self.subTest(dialogue["name"]):
                await self._play(dialogue["steps"])

    async def _play(self, steps: list) -> None:
        played, loop = Played(), asyncio.get_running_loop()
        socket = await played.start(*packets_of({"packets": steps[0]["write"]}))
        seen, answered = 0, 0.0
        for step in steps[1:]:
            if "write" in step:
                await played.write(*packets_of({"packets": step["write"]}))
            elif "broker" in step:
                answered = loop.time()
                await socket.say(step["broker"])
            elif "pause" in step:
                self.assertEqual(len(socket.sent), seen)
                await asyncio.sleep(answered + step["pause"] / 1000 - 0.001 - loop.time())
                self.assertEqual(len(socket.sent), seen)
                await asyncio.sleep(0.002)
            else:
                seen += 1
                self.assertEqual(len(socket.sent), seen)
                expected, sent = text_of(step["client"]), socket.sent[-1]
                if expected.startswith("~"):  # a client end may cut elsewhere: test_wire.py has the pieces
                    self.assertEqual(sent.split(":")[0], expected.split(":")[0])
                else:
                    self.assertEqual(sent, expected)
        played.task.cancel()

    async def test_the_body_of_a_reply_is_handed_on_before_its_close(self) -> None:
        played = Played()
        socket = await played.start(CONNECT)
        await socket.say("!1;close=refused:IAIABQ==")
        self.assertEqual(played.handed, [b"\x20\x02\x00\x05"])
        self.assertEqual(await played.task, "refused")
        self.assertTrue(socket.closed)

    async def test_what_ends_a_connection(self) -> None:
        for frame, why in [
            (">;close=session-taken-over:", "session-taken-over"),
            ('{"message":"Internal server error"}', "the gateway says: Internal server error"),
            ("!1:", "malformed frame: a reply to nothing, or to more than was sent"),  # a frame without a reply is not there
            (f">:{text(RESUMED)}", "malformed frame: a CONNACK in a push without a number"),
            ("?", "malformed frame: a frame is neither a reply nor a push: '?'"),
        ]:
            with self.subTest(frame):
                played = Played()
                await (await played.connected()).say(frame)
                self.assertEqual(await played.task, why)

    async def test_a_reply_that_takes_more_than_its_frame_carried(self) -> None:
        for taken, packet in [(2, packets.PINGREQ), (1, packets.publish("a", bytes(30_000), 0, 0))]:
            played = Played()
            socket = await played.connected()
            await played.write(packet, packets.publish("b", bytes(30_000), 0, 0))
            await socket.say(f"!{taken}:")
            self.assertIn("more than was sent", await played.task)

    async def test_no_reply_within_35_s_and_no_connack(self) -> None:
        for answers in [[], ["!1;token=t:"]]:
            played = Played()
            socket, began = await played.start(CONNECT), asyncio.get_running_loop().time()
            await socket.say(*answers)
            self.assertEqual(await played.task, "no answer within 35 s")
            self.assertAlmostEqual(asyncio.get_running_loop().time() - began, 35, delta=0.01)

    async def test_540_s_without_a_frame_make_a_pingreq(self) -> None:
        played = Played()
        socket = await played.connected()
        await asyncio.sleep(539)
        self.assertEqual(socket.sent[1:], [])
        await asyncio.sleep(2)
        self.assertEqual(socket.sent[1:], [text(packets.PINGREQ)])
        await socket.say("!1:0AA=")
        await asyncio.sleep(537)
        self.assertEqual(len(socket.sent), 2)
        await asyncio.sleep(4)
        self.assertEqual(socket.sent[2:], [text(packets.PINGREQ)])


class Order(VirtualTime):
    async def test_any_order_of_arrival_is_handed_on_in_order_of_number(self) -> None:
        pushes = [push(1, publish(1), publish(2)), push(3, publish(3)), push(4, publish(4), publish(5)), push(6, publish(6))]
        body = text(publish(7))
        pushes += [f">7;part=u.0.2:{body[:5]}", f">7;part=u.1.2:{body[5:]}"]
        for order in itertools.permutations(pushes):
            played = Played()
            await (await played.connected()).say(*order)
            self.assertEqual(played.ids(), [1, 2, 3, 4, 5, 6, 7])
            self.assertFalse(played.task.done())
            played.task.cancel()

    async def test_qos_0_has_no_number_and_waits_for_nothing_but_the_connack(self) -> None:
        played, unnumbered = Played(), packets.publish("a", b"", 0, 0)
        socket = await played.start(CONNECT)
        await socket.say(push(41, publish(1)), push(None, unnumbered), push(43, publish(3)))
        self.assertEqual(played.handed, [])
        await socket.say(push(41, RESUMED))
        self.assertEqual(played.handed, [RESUMED, unnumbered, publish(1)])
        await socket.say(push(None, unnumbered), push(42, publish(2)))
        self.assertEqual(played.handed[3:], [unnumbered, publish(2), publish(3)])

    async def test_behind_is_handed_on_at_once_and_what_ends_ahead_moves_the_count(self) -> None:
        played = Played()
        socket = await played.connected()
        await socket.say(push(1, publish(1)), push(1, publish(1), publish(2)), push(1, publish(1)), push(3, publish(3)))
        self.assertEqual(played.ids(), [1, 1, 2, 1, 3])

    async def test_qos_0_in_a_numbered_push_does_not_count(self) -> None:
        played, unnumbered = Played(), packets.publish("a", b"", 0, 0)
        await (await played.connected()).say(push(1, unnumbered, publish(1), unnumbered), push(3, publish(3)))
        self.assertEqual(played.handed, [unnumbered, publish(1), unnumbered])

    async def test_a_hole_that_fills_in_time(self) -> None:
        played = Played()
        socket = await played.connected()
        await socket.say(push(2, publish(2)))
        await asyncio.sleep(1.99)
        await socket.say(push(1, publish(1)))
        await asyncio.sleep(10)
        self.assertEqual((played.ids(), len(played.sockets)), ([1, 2], 1))

    async def test_2_s_count_for_the_push_that_waits_longest_and_not_before_the_connack(self) -> None:
        played = Played()
        socket = await played.start(CONNECT)
        await socket.say(push(2, publish(2)))
        await asyncio.sleep(10)
        await socket.say(f"!1;token=t1:{text(ACCEPTED)}")
        await asyncio.sleep(1)
        await socket.say(push(3, publish(3)))
        self.assertEqual(len(played.sockets), 1)
        await asyncio.sleep(1.01)
        self.assertEqual(len(played.sockets), 2)

    async def test_a_hole_without_a_token_is_skipped_by_a_clean_session(self) -> None:
        played = Played()
        socket = await played.connected(token="")
        await socket.say(push(5, publish(5)), push(2, publish(2)))
        await asyncio.sleep(1.99)
        self.assertEqual(played.ids(), [])
        await asyncio.sleep(0.02)
        await socket.say(push(6, publish(6)))
        self.assertEqual(played.ids(), [2, 5, 6])

    async def test_a_hole_without_a_token_ends_a_persistent_connection(self) -> None:
        played = Played(persistent=True)
        await (await played.connected(token="")).say(push(2, publish(2)))
        self.assertEqual(await played.task, "a push is missing")
        self.assertEqual(played.ids(), [])


class Moves(VirtualTime):
    async def _with_a_hole(self, *before: bytes) -> Played:
        """A message was handed on and its PUBACK not taken, a frame is in flight, and 2 s with a hole are over."""
        played = Played(persistent=True)
        socket = await played.connected()
        await played.write(packets.PINGREQ)
        await played.write(*before)
        await socket.say(push(1, publish(1)), push(3, publish(3)))
        await asyncio.sleep(2.1)
        return played

    async def test_the_token_waits_for_the_reply_and_nothing_is_sent_on_the_first_socket_after_it(self) -> None:
        played = await self._with_a_hole(packets.PINGREQ)
        first, second = played.sockets
        self.assertEqual(second.sent, [])
        await first.say("!1:0AA=")
        self.assertEqual(second.sent, ["^t1"])
        await second.say("!0;token=t2;next=9:")
        self.assertEqual((first.sent[2:], second.sent), ([], ["^t1", text(packets.PINGREQ)]))
        await asyncio.sleep(5.1)
        self.assertEqual((first.closed, second.closed), (True, False))

    async def test_pushes_of_both_sockets(self) -> None:
        played, unnumbered = await self._with_a_hole(), packets.publish("a", b"", 0, 0)
        first, second = played.sockets
        await first.say("!1:0AA=", push(2, publish(2)), push(None, unnumbered))
        await second.say(push(9, publish(3, dup=True)), push(8, publish(2)))
        self.assertEqual(played.handed, [publish(1), b"\xd0\x00", unnumbered])
        await second.say("!0;token=t2;next=8:")
        self.assertEqual(played.handed[3:], [publish(2), publish(3, dup=True)])

    async def test_what_the_library_has_is_acknowledged_again_but_not_before_it_comes_again(self) -> None:
        played = await self._with_a_hole(puback(1))
        first, second = played.sockets
        await first.say("!1:")
        await second.say("!0;token=t2;next=4:")
        self.assertEqual(second.sent, ["^t1"])
        await second.say(push(4, publish(1, dup=True), publish(2)))
        self.assertEqual(second.sent[1:], [text(puback(1))])
        self.assertEqual(played.handed, [publish(1), publish(2)])

    async def test_what_comes_behind_a_new_message_is_new_whatever_its_packet_id(self) -> None:
        played = await self._with_a_hole(puback(1))
        await played.sockets[0].say("!1:")
        await played.sockets[1].say("!0;token=t2;next=4:", push(4, publish(1)), push(5, publish(1, dup=True)))
        self.assertEqual(played.handed[1:], [publish(1), publish(1, dup=True)])

    async def test_a_move_in_time_leaves_the_numbered_pushes_of_the_first_socket(self) -> None:
        played = Played(ping_after=1e9)
        socket = await played.connected()
        await asyncio.sleep(115 * 60 - 1)
        await socket.say(push(2, publish(2)))
        await asyncio.sleep(1.1)
        await socket.say(push(1, publish(1)))
        self.assertEqual((played.sockets[1].sent, played.handed), (["^t1"], []))

    async def test_a_throttle_is_no_answer_and_the_token_is_sent_again(self) -> None:
        played = await self._with_a_hole()
        await played.sockets[0].say("!1:")
        await played.sockets[1].say('{"message":"Too Many Requests"}')
        await asyncio.sleep(0.3)
        self.assertEqual(played.sockets[1].sent, ["^t1", "^t1"])

    async def test_what_the_first_socket_says_behind_the_token_means_nothing(self) -> None:
        played = await self._with_a_hole()
        await played.sockets[0].say("!1:")
        await played.sockets[0].say(">;close=session-taken-over:")
        await played.sockets[1].say("!0;token=t2;next=2:", push(2, publish(2)))
        self.assertEqual((played.handed[-1], played.task.done()), (publish(2), False))

    async def test_a_message_that_has_not_come_again_before_the_next_move_is_handed_on(self) -> None:
        """Nobody knows then whose packet id it is: better twice than not at all."""
        played = await self._with_a_hole(puback(1))
        await played.sockets[0].say("!1:")
        await played.sockets[1].say("!0;token=t2;next=4:", push(5, publish(9)))
        await asyncio.sleep(2.1)
        await played.sockets[2].say("!0;token=t3;next=6:", push(6, publish(1, dup=True)))
        self.assertEqual(played.handed[-1], publish(1, dup=True))

    async def test_an_answer_that_is_no_move_ends_the_connection(self) -> None:
        for answer in ["!0;close=not-connected:", "!0:", "!0;next=4:"]:
            with self.subTest(answer):
                played = await self._with_a_hole()
                await played.sockets[0].say("!1:")
                await played.sockets[1].say(answer)
                self.assertIn(await played.task, ["not-connected", "the session did not move"])
                self.assertTrue(all(socket.closed for socket in played.sockets))

    async def test_a_second_socket_that_closes_behind_the_token_ends_the_connection(self) -> None:
        played = await self._with_a_hole()
        await played.sockets[0].say("!1:")
        await played.sockets[1].break_off()
        self.assertEqual(await played.task, "the socket was closed")

    async def test_a_second_socket_that_closes_before_the_token_is_tried_again_30_s_later(self) -> None:
        played = await self._with_a_hole()
        await played.sockets[1].break_off()
        await played.sockets[0].say("!1:")
        await asyncio.sleep(29)
        self.assertEqual(len(played.sockets), 2)
        await asyncio.sleep(2)
        self.assertEqual(played.sockets[2].sent, ["^t1"])

    async def test_a_second_socket_that_does_not_open_is_tried_again_30_s_later(self) -> None:
        played = Played()
        socket = await played.connected()
        played.unreachable = True
        await socket.say(push(2, publish(2)))
        await asyncio.sleep(3)
        played.unreachable = False
        await played.write(packets.PINGREQ)
        self.assertEqual(socket.sent[1:], [text(packets.PINGREQ)])
        await socket.say("!1:")
        await asyncio.sleep(30)
        self.assertEqual(played.sockets[1].sent, ["^t1"])

    async def test_before_the_gateway_cuts_the_socket_off_and_again_and_again(self) -> None:
        played = Played(ping_after=1e9)
        await played.connected()
        for count in (1, 2, 3):
            await asyncio.sleep(115 * 60 - 10)
            self.assertEqual(len(played.sockets), count)
            await asyncio.sleep(11)
            self.assertEqual(played.sockets[count].sent, [f"^t{count}"])
            await played.sockets[count].say(f"!0;token=t{count + 1};next=1:")


if __name__ == "__main__":
    unittest.main()
