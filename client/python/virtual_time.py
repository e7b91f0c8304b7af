"""For tests: an event loop whose time jumps to the next timer, and the socket of a broker that is played by the test."""
import asyncio
import selectors
from typing import Any, Awaitable, List


class _Selector(selectors.SelectSelector):
    """Never waits: when nothing is ready, the time that would have been waited is over."""

    now = 0.0

    def select(self, timeout: Any = None) -> list:
        if timeout is None:
            raise AssertionError("everything waits, and no timer is set")
        self.now += max(0.0, timeout)
        return super().select(0)


def run(main: Awaitable[Any]) -> Any:
    selector = _Selector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


class FakeSocket:
    """sent: the frames of the client end. say() is the broker's turn, which every task of the client end then has its part of."""

    def __init__(self) -> None:
        self.sent: List[str] = []
        self.closed = False
        self._incoming: "asyncio.Queue[Any]" = asyncio.Queue()

    async def send(self, text: str) -> None:
        if self.closed:
            raise ConnectionError("closed")
        self.sent.append(text)

    async def say(self, *frames: str) -> None:
        for frame in frames:
            self._incoming.put_nowait(frame)
        await settle()

    async def break_off(self) -> None:
        self._incoming.put_nowait(None)
        await settle()

    async def close(self) -> None:
        self.closed = True

    async def __aiter__(self) -> Any:
        while True:
            text = await self._incoming.get()
            if text is None:
                self.closed = True
                return
            yield text


async def settle() -> None:
    """Until nothing is left to do without time going on: no timer of a test falls into this millisecond."""
    await asyncio.sleep(0.001)
