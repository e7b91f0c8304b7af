"""The MQTT client: acknowledgements, QoS 2, connecting again. The broker is the test."""
import asyncio
import unittest
from typing import Any, List, Tuple
from unittest import mock

import client as module
import packets
import wire
from client import Client, Ended
from packets import Message
from test_conversation import ACCEPTED, RESUMED, VirtualTime, puback, push, text
from virtual_time import FakeSocket, settle


def ack(kind: int, packet_id: int) -> bytes:
    return packets.acknowledgement(kind, packet_id)


def pushed(qos: int, packet_id: int, dup: bool = False) -> bytes:
    return packets.sent_again(packets.publish("a", b"x", qos, packet_id), dup)


class Broker:
    """sockets: in the order of the client's connections, each with the frames that it was sent."""

    def __init__(self, clean: bool = False) -> None:
        self.sockets: List[FakeSocket] = []
        self.messages: List[Message] = []
        self.lost: List[str] = []
        self.client = Client(
            "", "a", self.messages.append, clean=clean, on_lost=self.lost.append, open_socket=self._open
        )

    async def _open(self) -> FakeSocket:
        self.sockets.append(FakeSocket())
        return self.sockets[-1]

    async def accept(self) -> FakeSocket:
        """The client's first connection."""
        entering = asyncio.ensure_future(self.client.__aenter__())
        await settle()
        await self.sockets[0].say(f"!1;token=t:{text(ACCEPTED)}")
        await entering
        return self.sockets[0]

    async def reconnect(self, resumed: bool) -> FakeSocket:
        """Cuts the connection, and accepts the next one. Jitter is 0 in these tests."""
        await self.sockets[-1].break_off()
        socket = self.sockets[-1]
        if resumed:
            await socket.say("!1;token=t:", push(1, RESUMED))
        else:
            await socket.say(f"!1;token=t:{text(ACCEPTED)}")
        return socket


class ClientTest(VirtualTime):
    def setUp(self) -> None:
        patch = mock.patch.object(module.random, "uniform", side_effect=self._jitter)
        patch.start()
        self.addCleanup(patch.stop)
        self.jitters: List[Tuple[float, float]] = []

    def _jitter(self, low: float, high: float) -> float:
        self.jitters.append((low, high))
        return 0.0


class Sending(ClientTest):
    async def test_qos_1_ends_with_puback(self) -> None:
        broker = Broker()
        socket = await broker.accept()
        publishing = asyncio.ensure_future(broker.client.publish("a", b"x", qos=1))
        await settle()
        self.assertEqual(socket.sent[1:], [text(pushed(1, 1))])
        self.assertFalse(publishing.done())
        await socket.say(f"!1:{text(puback(1))}")
        await publishing

    async def test_qos_2_ends_with_pubcomp(self) -> None:
        broker = Broker()
        socket = await broker.accept()
        publishing = asyncio.ensure_future(broker.client.publish("a", b"x", qos=2))
        await settle()
        await socket.say(f"!1:{text(ack(wire.PUBREC, 1))}")
        self.assertEqual(socket.sent[1:], [text(pushed(2, 1)), "YgIAAQ=="])
        self.assertFalse(publishing.done())
        await socket.say(f"!1:{text(ack(wire.PUBCOMP, 1))}")
        await publishing

    async def test_sent_again_in_order_with_dup_where_it_was_sent_and_pubrel_without_its_publish(self) -> None:
        broker = Broker()
        socket = await broker.accept()
        for qos in (1, 2, 1):
            asyncio.ensure_future(broker.client.publish("a", b"x", qos))
        await settle()
        self.assertEqual(socket.sent[1:], [text(pushed(1, 1), pushed(2, 2), pushed(1, 3))])
        await socket.say(f"!2:{text(ack(wire.PUBREC, 2))}")
        self.assertEqual(socket.sent[2:], [text(pushed(1, 3), ack(wire.PUBREL, 2))])
        await socket.break_off()
        asyncio.ensure_future(broker.client.publish("a", b"x", 1))
        await settle()
        await broker.sockets[1].say("!1;token=t:", push(1, RESUMED))
        again = [pushed(1, 1, dup=True), ack(wire.PUBREL, 2), pushed(1, 3, dup=True), pushed(1, 4)]
        self.assertEqual(broker.sockets[1].sent[1:], [text(*again)])

    async def test_without_its_session_it_is_a_new_message_and_what_has_arrived_is_done(self) -> None:
        broker = Broker()
        socket = await broker.accept()
        first = asyncio.ensure_future(broker.client.publish("a", b"x", 2))
        await settle()
        await socket.say(f"!1:{text(ack(wire.PUBREC, 1))}")
        await socket.say("!1:")
        asyncio.ensure_future(broker.client.publish("a", b"x", 1))
        await settle()
        self.assertEqual(socket.sent[3:], [text(pushed(1, 2))])
        second = await broker.reconnect(resumed=False)
        await first
        self.assertEqual(second.sent[1:], [text(pushed(1, 2))])

    async def test_disconnect_goes_behind_all_else(self) -> None:
        broker = Broker()
        socket = await broker.accept()
        await broker.client.publish("a", b"x")
        leaving = asyncio.ensure_future(broker.client.__aexit__(None, None, None))
        await settle()
        self.assertEqual(socket.sent[1:], [text(pushed(0, 0), packets.DISCONNECT)])
        self.assertFalse(socket.closed)
        await socket.say("!2;close=disconnected:")
        await leaving
        self.assertEqual((socket.closed, broker.lost), (True, []))


class Receiving(ClientTest):
    async def test_qos_1_is_acknowledged_and_comes_again_where_it_was_not(self) -> None:
        broker = Broker()
        socket = await broker.accept()
        await socket.say(push(1, pushed(1, 7)))
        self.assertEqual(socket.sent[1:], [text(puback(7))])
        await socket.say(push(1, pushed(1, 7)))
        await socket.say("!1:")
        self.assertEqual((len(broker.messages), len(socket.sent)), (2, 2))  # one PUBACK under way is enough
        await (await broker.reconnect(resumed=True)).say(push(1, pushed(1, 7, dup=True)))
        self.assertEqual(len(broker.messages), 3)

    async def test_qos_2_is_handed_on_once_whatever_comes_again(self) -> None:
        broker = Broker()
        socket = await broker.accept()
        await socket.say(push(1, pushed(2, 7)))
        second = await broker.reconnect(resumed=True)
        await second.say(push(1, pushed(2, 7, dup=True)))
        self.assertEqual(second.sent[1:], [text(ack(wire.PUBREC, 7))])
        await second.say(f"!1:{text(ack(wire.PUBREL, 7))}")
        self.assertEqual(second.sent[2:], [text(ack(wire.PUBCOMP, 7))])
        self.assertEqual(len(broker.messages), 1)
        await second.say("!1:", push(2, pushed(2, 7)))
        self.assertEqual(len(broker.messages), 2)

    async def test_qos_2_on_a_socket_that_the_session_moved_to(self) -> None:
        broker = Broker()
        first = await broker.accept()
        await first.say(push(1, pushed(2, 7)), push(3, pushed(2, 9)))
        await asyncio.sleep(2.1)
        await first.say("!0:")  # the PUBREC was not taken
        self.assertEqual(broker.sockets[1].sent, ["^t"])
        await broker.sockets[1].say("!0;token=u;next=4:")
        await asyncio.sleep(0.3)  # the rest that the broker asked for
        self.assertEqual(broker.sockets[1].sent, ["^t"])  # no PUBREC before the message has come again
        await broker.sockets[1].say(push(4, pushed(2, 7, dup=True), pushed(2, 8), pushed(2, 9)))
        self.assertEqual([message.packet_id for message in broker.messages], [7, 8, 9])
        self.assertEqual(broker.sockets[1].sent[1:], [text(ack(wire.PUBREC, 7), ack(wire.PUBREC, 8), ack(wire.PUBREC, 9))])

    async def test_a_new_session_has_no_packet_ids_of_the_old_one(self) -> None:
        broker = Broker()
        await (await broker.accept()).say(push(1, pushed(2, 7)))
        await (await broker.reconnect(resumed=False)).say(push(1, pushed(2, 7)))
        self.assertEqual(len(broker.messages), 2)

    async def test_what_on_message_raises_ends_the_client(self) -> None:
        def on_message(message: Message) -> None:
            raise KeyError("bug")

        broker = Broker()
        broker.client._on_message = on_message
        socket = await broker.accept()
        await socket.say(push(1, pushed(1, 7)))
        with self.assertRaises(KeyError):
            await broker.client.ended()
        self.assertEqual(len(socket.sent), 1)


class ConnectingAgain(ClientTest):
    async def test_pauses_grow_until_a_connection_has_stood_for_30_s(self) -> None:
        broker = Broker()
        await broker.accept()
        for _ in range(6):
            await broker.reconnect(resumed=True)
        self.assertEqual(self.jitters, [(0, bound) for bound in (1, 2, 4, 8, 16, 30)])
        await asyncio.sleep(30)
        await broker.reconnect(resumed=True)
        self.assertEqual(self.jitters[6:], [(0, 1)])

    async def test_a_refusal_is_final(self) -> None:
        broker = Broker()
        entering = asyncio.ensure_future(broker.client.__aenter__())
        await settle()
        await broker.sockets[0].say("!1;close=refused:IAIAAg==")
        with self.assertRaisesRegex(Ended, "refused"):
            await entering

    async def test_what_waits_for_an_answer_is_told_of_a_final_end(self) -> None:
        broker = Broker()
        socket = await broker.accept()
        publishing = asyncio.ensure_future(broker.client.publish("a/+", b"x", qos=1))
        await settle()
        await socket.say("!0;close=topic-invalid:")
        with self.assertRaises(Ended):
            await publishing
        self.assertEqual(broker.lost, ["topic-invalid"])
        with self.assertRaises(Ended):
            await broker.client.__aexit__(None, None, None)


if __name__ == "__main__":
    unittest.main()
