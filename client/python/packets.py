"""The packets of MQTT 3.1.1 that a client writes and reads. Each is bytes: nothing of the wire is in here."""
from typing import NamedTuple

import wire


class Message(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    dup: bool
    packet_id: int  # 0 at QoS 0


def packet(first: int, body: bytes) -> bytes:
    length, left = b"", len(body)
    while True:
        left, digit = divmod(left, 128)
        length += bytes([digit | (128 if left else 0)])
        if not left:
            return bytes([first]) + length + body


def connect(client_id: str, clean: bool, keep_alive: int) -> bytes:
    flags = 2 if clean else 0
    return packet(0x10, _string("MQTT") + bytes([4, flags]) + _number(keep_alive) + _string(client_id))


def publish(topic: str, payload: bytes, qos: int, packet_id: int) -> bytes:
    return packet(0x30 | qos << 1, _string(topic) + (_number(packet_id) if qos else b"") + payload)


def sent_again(request: bytes, dup: bool) -> bytes:
    """A PUBLISH with DUP or without [MQTT-3.3.1-1]; any other packet as it is."""
    if wire.type_of(request) != wire.PUBLISH:
        return request
    return bytes([request[0] | 8 if dup else request[0] & ~8]) + request[1:]


def subscribe(topic_filter: str, qos: int, packet_id: int) -> bytes:
    return packet(0x82, _number(packet_id) + _string(topic_filter) + bytes([qos]))


def unsubscribe(topic_filter: str, packet_id: int) -> bytes:
    return packet(0xA2, _number(packet_id) + _string(topic_filter))


def acknowledgement(kind: int, packet_id: int) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""
    return packet(kind << 4 | (2 if kind == wire.PUBREL else 0), _number(packet_id))


PINGREQ, DISCONNECT = b"\xc0\x00", b"\xe0\x00"


def read_message(published: bytes) -> Message:
    body, qos = _body(published), wire.qos_of(published)
    end = 2 + int.from_bytes(body[:2], "big")
    rest = body[end:]
    if end > len(body) or qos == 3 or (qos and len(rest) < 2):
        raise wire.Malformed("a PUBLISH that MQTT does not allow")
    packet_id = int.from_bytes(rest[:2], "big") if qos else 0
    return Message(body[2:end].decode(), rest[2:] if qos else rest, qos, bool(published[0] & 8), packet_id)


def packet_id_of(answer: bytes) -> int:
    """Of any packet that begins with its id, such as PUBACK and SUBACK."""
    return int.from_bytes(_body(answer)[:2], "big")


def return_code_of(answer: bytes) -> int:
    """Of CONNACK and SUBACK."""
    return answer[-1]


def session_present(connack: bytes) -> bool:
    return connack[2] & 1 == 1


def _body(any_packet: bytes) -> bytes:
    at = 1
    while any_packet[at] > 127:
        at += 1
    return any_packet[at + 1 :]


def _string(text: str) -> bytes:
    return _number(len(text.encode())) + text.encode()


def _number(value: int) -> bytes:
    return value.to_bytes(2, "big")
