"""The client against a broker that listens at BROKER_URL; skipped without it. test/e2e/python-client.test.ts starts one."""
import asyncio
import json
import os
import unittest
import urllib.parse
import urllib.request
import uuid
from typing import Any, List

from client import Client, Message, open_websocket

URL = os.environ.get("BROKER_URL", "")


class Inbox:
    def __init__(self) -> None:
        self.payloads: List[bytes] = []
        self._changed = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.payloads.append(message.payload)
        self._changed.set()

    async def until(self, count: int) -> List[bytes]:
        while len(self.payloads) < count:
            self._changed.clear()
            await self._changed.wait()
        return self.payloads


class Sockets:
    """Real ones, which the test can cut."""

    def __init__(self) -> None:
        self.opened: List[Any] = []

    async def __call__(self) -> Any:
        self.opened.append(await open_websocket(URL))
        return self.opened[-1]


def numbered(count: int) -> List[bytes]:
    return [str(number).encode() for number in range(1, count + 1)]


@unittest.skipUnless(URL, "BROKER_URL is not set")
class EndToEnd(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.topic = f"python/{uuid.uuid4().hex[:8]}"

    def client(self, name: str, inbox: Any = lambda message: None, **options: Any) -> Client:
        return Client(URL, f"{self.topic[7:]}-{name}", inbox, **options)

    async def test_publish_and_subscribe(self) -> None:
        for qos in (0, 1, 2):
            with self.subTest(qos=qos):
                inbox = Inbox()
                async with self.client("sub", inbox) as sub, self.client("pub") as pub:
                    self.assertEqual(await sub.subscribe(f"{self.topic}/+/{qos}", qos), qos)
                    for payload in numbered(20):
                        await pub.publish(f"{self.topic}/x/{qos}", payload, qos)
                    self.assertEqual(await inbox.until(20), numbered(20))

    async def test_many_at_once_stay_in_order(self) -> None:
        inbox = Inbox()
        async with self.client("sub", inbox) as sub, self.client("pub") as pub:
            await sub.subscribe(self.topic)
            await asyncio.gather(*(pub.publish(self.topic, payload, 1) for payload in numbered(200)))
            self.assertEqual(await inbox.until(200), numbered(200))

    async def test_a_persistent_session_gets_in_order_what_it_missed(self) -> None:
        inbox, resumed = Inbox(), []
        async with self.client("sub", inbox, clean=False) as sub:
            await sub.subscribe(f"{self.topic}/#")
        async with self.client("pub") as pub:
            for payload in numbered(12):
                await pub.publish(f"{self.topic}/x", payload, 1)
        async with self.client("sub", inbox, clean=False, on_connect=resumed.append):
            self.assertEqual(await inbox.until(12), numbered(12))
        self.assertEqual(resumed, [True])

    async def test_a_payload_of_128_kib_both_ways(self) -> None:
        inbox, payload = Inbox(), bytes(index * 31 + (index >> 8) & 255 for index in range(131_072))
        async with self.client("both", inbox) as both:
            await both.subscribe(self.topic)
            await both.publish(self.topic, payload, 1)
            self.assertEqual(await inbox.until(1), [payload])

    async def test_cut_off_in_the_middle_of_its_work_it_connects_again(self) -> None:
        """At least once: what was under way may come twice, and nothing is missing or overtaken."""
        inbox, lost, sockets = Inbox(), [], Sockets()
        async with self.client("both", inbox, clean=False, open_socket=sockets, on_lost=lost.append) as both:
            await both.subscribe(self.topic)
            publishing = [asyncio.ensure_future(both.publish(self.topic, each, 1)) for each in numbered(30)]
            await publishing[0]
            publishing += [asyncio.ensure_future(both.publish(self.topic, each, 1)) for each in numbered(40)[30:]]
            await asyncio.sleep(0)
            await sockets.opened[0].close()
            await asyncio.gather(*publishing)
            while len(set(inbox.payloads)) < 40:
                await inbox.until(len(inbox.payloads) + 1)
        self.assertEqual((len(sockets.opened), len(lost)), (2, 1))
        self.assertEqual(list(dict.fromkeys(inbox.payloads)), numbered(40))

    async def test_a_lost_push_moves_the_session_and_nothing_is_missing_or_comes_twice(self) -> None:
        inbox, lost, sockets = Inbox(), [], Sockets()
        async with self.client("sub", inbox, open_socket=sockets, on_lost=lost.append) as sub, self.client("pub") as pub:
            await sub.subscribe(self.topic)
            await pub.publish(self.topic, b"1", 1)
            await inbox.until(1)
            lose_the_next_post()
            for payload in numbered(20)[1:]:
                await pub.publish(self.topic, payload, 1)
            self.assertEqual(await inbox.until(20), numbered(20))
        self.assertEqual((len(sockets.opened), lost), (2, []))


def lose_the_next_post() -> None:
    """A fault switch of the local stack."""
    address = urllib.parse.urlsplit(URL)
    body = json.dumps({"posts": {"lose": {"next": 1}}}).encode()
    request = urllib.request.Request(f"http://{address.netloc}/_local/faults", body, method="PUT")
    urllib.request.urlopen(request).close()


if __name__ == "__main__":
    unittest.main()
