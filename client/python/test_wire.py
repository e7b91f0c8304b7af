"""The frames of test/vectors/wire.json, which both ends of the project are tested with."""
import base64
import json
import pathlib
import unittest

import wire

VECTORS = json.loads((pathlib.Path(__file__).parents[2] / "test/vectors/wire.json").read_text())


def text_of(text) -> str:
    """A vector's text: a string, or a list of strings and repetitions."""
    if isinstance(text, str):
        return text
    return "".join(each if isinstance(each, str) else each["repeat"] * each["times"] for each in text)


def packets_of(vector) -> list:
    return [bytes.fromhex(text_of(packet)) for packet in vector["packets"]]


def decode_all(frames) -> list:
    """What is whole, of one socket."""
    parts, whole = wire.Parts(), []
    for frame in map(text_of, frames):
        decoded = wire.decode(frame)
        if isinstance(decoded, wire.Push):
            decoded = parts.add(decoded, 0)
        if decoded is not None:
            whole.append(decoded)
    return whole


class Vectors(unittest.TestCase):
    def test_client_frames(self) -> None:
        for vector in VECTORS["clientFrames"]:
            with self.subTest(vector["name"]):
                left, frames = packets_of(vector), []
                while left:
                    some, carried = wire.client_frames(left)
                    frames += some
                    del left[:carried]
                self.assertTrue(all(len(frame) <= 32_768 for frame in frames))
                # A client end may cut parts elsewhere: whole packets and their parts are compared, not the cuts.
                self.assertEqual(_joined(frames), _joined(map(text_of, vector["frames"])))

    def test_replies(self) -> None:
        for vector in VECTORS["replies"]:
            with self.subTest(vector["name"]):
                expected = wire.Reply(
                    vector["taken"], packets_of(vector), vector.get("close"), vector.get("token"), vector.get("next")
                )
                self.assertEqual(wire.decode(vector["frame"]), expected)

    def test_pushes(self) -> None:
        for vector in VECTORS["pushes"]:
            with self.subTest(vector["name"]):
                found = [(push.first, push.packets) for push in decode_all(vector["frames"])]
                self.assertEqual(found, [(push.get("first"), packets_of(push)) for push in vector["pushes"]])

    def test_closings(self) -> None:
        for vector in VECTORS["closings"]:
            with self.subTest(vector["name"]):
                self.assertEqual(wire.decode(vector["frame"]).close, vector["close"])

    def test_gateway(self) -> None:
        for vector in VECTORS["gateway"]:
            with self.subTest(vector["name"]):
                self.assertEqual(wire.decode(vector["frame"]), wire.Gateway(vector["message"], vector["throttled"]))

    def test_malformed_broker_frames(self) -> None:
        for vector in VECTORS["malformedBrokerFrames"]:
            with self.subTest(vector["name"]):
                decode_all(vector["frames"][:-1])
                with self.assertRaises(wire.Malformed):
                    decode_all(vector["frames"])


class Parts(unittest.TestCase):
    def test_parts_that_never_become_whole_are_forgotten(self) -> None:
        parts = wire.Parts()
        first, second = wire.decode(">;part=a.0.2:MAMA"), wire.decode(">;part=a.1.2:AWE=")
        self.assertIsNone(parts.add(first, 0))
        self.assertIsNone(parts.add(second, 61))
        self.assertEqual(parts.add(first, 62).packets, [bytes.fromhex("3003000161")])


def _joined(frames) -> list:
    """Frames as they are, and each run of parts as the bytes that they make; turns are checked."""
    joined, pieces = [], []
    for frame in frames:
        if not frame.startswith("~"):
            joined.append(frame)
            continue
        head, piece = frame[1:].split(":")
        index, count = map(int, head.split("."))
        assert index == len(pieces), "a part out of turn"
        pieces.append(piece)
        if index == count - 1:
            joined.append(base64.b64decode("".join(pieces)))
            pieces = []
    assert not pieces, "the last part is missing"
    return joined


if __name__ == "__main__":
    unittest.main()
