"""Pushes in the order of their numbers (docs/wire-protocol.md §5). No I/O and no clock: times are given, in seconds."""
from typing import List, Optional, Tuple

import wire
from wire import Malformed, Push


class PushOrder:
    """Of one socket. Until start(), or a CONNACK in a push, everything waits."""

    def __init__(self) -> None:
        self.expected: Optional[int] = None
        self._waiting: List[Tuple[float, Push]] = []

    def waiting_since(self) -> Optional[float]:
        """Since when a hole holds back the push that waits longest."""
        return min((since for since, _ in self._waiting), default=None) if self.expected is not None else None

    def start(self, first: int, now: float) -> List[bytes]:
        """A CONNACK in a reply, or a session that has moved. All methods: what is to be handed on now, in order."""
        self.expected = first
        self._waiting = [(now, push) for _, push in self._waiting]
        return self._release()

    def add(self, push: Push, now: float) -> List[bytes]:
        if any(wire.type_of(packet) == wire.CONNACK for packet in push.packets):
            if push.first is None:
                raise Malformed("a CONNACK in a push without a number")
            self.expected = push.first
            self._waiting = [(now, waiting) for _, waiting in self._waiting]
            return self._hand_on(push) + self._release()
        self._waiting.append((now, push))
        return self._release()

    def forget(self) -> None:
        """What waits: it comes again on the socket that the session moves to."""
        self._waiting.clear()

    def skip(self) -> List[bytes]:
        """The hole is given up: what waits, in order of number, and the count goes on after the last."""
        handed: List[bytes] = []
        while self._waiting:
            self.expected = min(push.first or 0 for _, push in self._waiting)
            handed += self._release()
        return handed

    def _release(self) -> List[bytes]:
        handed: List[bytes] = []
        if self.expected is None:
            return handed
        self._waiting.sort(key=lambda each: -1 if each[1].first is None else each[1].first)
        while self._waiting and (self._waiting[0][1].first or 0) <= self.expected:
            handed += self._hand_on(self._waiting.pop(0)[1])
        return handed

    def _hand_on(self, push: Push) -> List[bytes]:
        if push.first is not None and self.expected is not None:
            counted = sum(wire.type_of(packet) == wire.PUBLISH and wire.qos_of(packet) > 0 for packet in push.packets)
            self.expected = max(self.expected, push.first + counted)
        return push.packets
