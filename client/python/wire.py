"""Frames <-> packets, as docs/wire-protocol.md says. No I/O, no clock, no state but the parts of pushes that are not yet whole.

A packet is the bytes of one MQTT control packet, a frame is a str. Whatever the broker may not send raises Malformed.
"""
import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple, Union

FRAME_LIMIT = 32_768  # characters of a frame (§2)
PART_LIFETIME = 60.0  # s that a client end keeps parts of a push that does not become whole
THROTTLES = ("Too Many Requests", "Limit Exceeded", "Rate exceeded")  # §6

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 10, 11, 12, 13, 14


class Malformed(ValueError):
    """The broker sent what this protocol does not allow: close the socket and connect again."""


@dataclass(frozen=True)
class Reply:
    taken: int
    packets: List[bytes]
    close: Optional[str] = None
    token: Optional[str] = None
    next: Optional[int] = None


@dataclass(frozen=True)
class Push:
    """With part: (unit, index, count), and the piece in place of packets."""

    first: Optional[int]
    packets: List[bytes] = field(default_factory=list)
    close: Optional[str] = None
    part: Optional[Tuple[str, int, int]] = None
    piece: str = ""
    head: str = ""


@dataclass(frozen=True)
class Gateway:
    message: str
    throttled: bool


def type_of(packet: bytes) -> int:
    return packet[0] >> 4


def qos_of(packet: bytes) -> int:
    """Of a PUBLISH."""
    return packet[0] >> 1 & 3


def split(data: bytes) -> List[bytes]:
    """One or more whole packets, or none at all."""
    packets, at = [], 0
    while at < len(data):
        length, shift, end = 0, 0, at + 1
        while True:
            if end >= len(data) or shift > 21:  # four bytes of length at most
                raise Malformed("a packet is truncated, or its length is none")
            length |= (data[end] & 127) << shift
            shift, end = shift + 7, end + 1
            if data[end - 1] < 128:
                break
        if end + length > len(data):
            raise Malformed("a packet is truncated")
        packets.append(data[at : end + length])
        at = end + length
    return packets


def client_frames(packets: List[bytes]) -> Tuple[List[str], int]:
    """The next frames, and how many of the packets they carry: one frame with as many as fit, or all parts of a large one."""
    fitting, count = b"", 0
    for packet in packets:
        if (len(fitting) + len(packet) + 2) // 3 * 4 > FRAME_LIMIT:
            break
        fitting, count = fitting + packet, count + 1
    if count > 0:
        return [base64.b64encode(fitting).decode()], count
    text = base64.b64encode(packets[0]).decode()
    size = FRAME_LIMIT - len("~999.999:")
    parts = -(-len(text) // size)
    return [f"~{i}.{parts}:{text[i * size : (i + 1) * size]}" for i in range(parts)], 1


def decode(text: Union[str, bytes]) -> Union[Reply, Push, Gateway]:
    """A frame of the broker, or of the gateway."""
    if not isinstance(text, str) or len(text) > FRAME_LIMIT:
        raise Malformed("a frame is binary, or too long")
    if text.startswith("{"):
        return _gateway(text)
    shape = re.fullmatch(r"([!>])([0-9]*)((?:;[a-z]+=[^;:]*)*):([^:]*)", text)
    if not shape:
        raise Malformed(f"a frame is neither a reply nor a push: {text[:40]!r}")
    kind, number, tail, body = shape.groups()
    fields = dict(each.split("=", 1) for each in tail.split(";")[1:])  # unknown ones are ignored
    close = fields.get("close")
    if kind == "!":
        following = _number(fields["next"]) if "next" in fields else None
        return Reply(_number(number), _packets(body), close, fields.get("token"), following)
    first = _number(number) if number else None
    if "part" not in fields:
        return Push(first, _packets(body), close)
    part = re.fullmatch(r"([A-Za-z0-9_-]{1,32})\.([0-9]{1,9})\.([0-9]{1,9})", fields["part"])
    if not part or int(part[2]) >= int(part[3]):
        raise Malformed(f"no part of a push: {fields['part']!r}")
    return Push(first, close=close, part=(part[1], int(part[2]), int(part[3])), piece=body, head=number + tail)


class Parts:
    """Puts pushes that came in parts together: any order, any interleaving, a part that comes twice counts once (§5)."""

    def __init__(self) -> None:
        self._units: Dict[str, Tuple[float, str, Dict[int, str]]] = {}

    def add(self, push: Push, now: float) -> Optional[Push]:
        """The whole push, where this part was its last one. now is in seconds."""
        if push.part is None:
            return push
        self._units = {unit: kept for unit, kept in self._units.items() if kept[0] + PART_LIFETIME > now}
        unit, index, count = push.part
        head = push.head.replace(f"part={unit}.{index}.", f"part={unit}.*.")
        _, first_head, pieces = self._units.setdefault(unit, (now, head, {}))
        if head != first_head:
            raise Malformed(f"parts of unit {unit} do not carry the same head")
        pieces[index] = push.piece
        if len(pieces) < count:
            return None
        del self._units[unit]
        return Push(push.first, _packets("".join(pieces[i] for i in range(count))), push.close)


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", text):
        raise Malformed(f"not a number of 1 to 15 digits: {text!r}")
    return int(text)


def _packets(body: str) -> List[bytes]:
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"not base64: {error}") from error
    if base64.b64encode(data).decode() != body:
        raise Malformed("not base64 as RFC 4648 §4 writes it")
    return split(data)


def _gateway(text: str) -> Gateway:
    try:
        message = str(json.loads(text).get("message"))
    except ValueError as error:
        raise Malformed("the gateway's frame is not JSON") from error
    return Gateway(message, message in THROTTLES)
