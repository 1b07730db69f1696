"""Bytes that nobody would send, into both paths: python tests/fuzzing.py [--seconds 60] [--seed 0]

Each case is made from its number, so a failure can be repeated. Cases are valid messages with bytes changed, taken out,
put in or cut off, messages spliced from two, and noise; around each stand good messages, which must survive.
"""

import argparse
import random
import time
from collections.abc import Iterator

from both_paths import assert_same, assert_same_rows
from kapacitor_udf import Point, _peer
from kapacitor_udf import wire_pb2 as wire
from kapacitor_udf._varint import frame

GOOD = _peer.encode_point(Point(1, {"a": 1.5, "b": 2, "é": 0.25}, {"host": "x"}, "cpu", ["host"], group="host=x"))


def messages() -> list[bytes]:
    """Valid messages to start from, without their length."""
    infinite, nan = float("inf"), float("nan")
    points = [
        wire.Point(time=7, name="cpu", group="host=x", tags={"host": "x"}, fieldsDouble={"a": 1.5, "b": -2, "é": 0}),
        wire.Point(time=-1, fieldsInt={"a": -5, "b": 2**60, "é": 1}, fieldsString={"s": "ünï", "a": "x"}, byName=True),
        wire.Point(fieldsDouble={"a": 1, "b": 1, "é": 1, "sum": 9}, fieldsBool={"odd": False, "b": True}),
        wire.Point(time=3, fieldsDouble={"a": infinite, "é": nan}, fieldsInt={"b": 1}, dimensions=["", "t"]),
        wire.Point(name="n" * 200, database="db", retentionPolicy="rp", tags={"t": "v" * 300}, fieldsDouble={"": 1}),
    ]
    return [wire.Request(point=point).SerializeToString() for point in points]


def mutated(source: random.Random, start: list[bytes]) -> bytes:
    """One message, hurt."""
    data = bytearray(source.choice(start))
    for _ in range(source.choice((0, 1, 1, 2, 3, 8))):
        at = source.randrange(len(data) + 1)
        match source.randrange(6):
            case 0 if at < len(data):
                data[at] = source.choice((0, 1, 0x7F, 0x80, 0xFF, data[at] ^ 1 << source.randrange(8)))
            case 1:
                del data[at : at + source.choice((1, 2, 9))]
            case 2:
                data[at:at] = source.randbytes(source.choice((1, 2, 11)))
            case 3:
                del data[at:]
            case 4:
                other = source.choice(start)
                data[at:] = other[source.randrange(len(other)) :]
            case _:
                data[at:at] = bytes([0x80]) * source.choice((1, 9, 12))
    if source.random() < 0.5:  # as most breakages would go unnoticed behind a wrong length
        inner = bytes(data[3:])
        data = bytearray(b"\x8a\x01" + frame(inner))
    return bytes(data)


def cases(seed: int, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """Numbered streams of frames, without end."""
    start = messages()
    number = first
    while True:
        source = random.Random(f"{seed} {number}")  # noqa: S311 - not for secrets
        if source.random() < 0.1:
            yield number, GOOD + source.randbytes(source.randrange(60))
        else:
            hurt = [frame(mutated(source, start)) for _ in range(source.choice((1, 1, 5)))]
            yield number, GOOD + GOOD.join(hurt) + GOOD
        number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    options = parser.parse_args()
    ends = time.monotonic() + options.seconds
    number = options.first
    for number, frames in cases(options.seed, options.first):
        try:
            assert_same(frames)
            assert_same_rows(frames)
        except BaseException:
            print(f"case {number} of seed {options.seed}: {frames.hex()}")
            raise
        if time.monotonic() > ends:
            break
    print(f"cases {options.first} to {number} of seed {options.seed}: both paths agree")


if __name__ == "__main__":
    main()
