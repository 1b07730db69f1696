"""Numbers as protobuf writes them: 7 bits in each byte, the least first, and a bit that says whether more follow."""


def varint(number: int) -> bytes:
    """Encode a number.

    Args:
        number: at least 0.
    """
    if number < 0x80:
        return bytes((number,))
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def frame(message: bytes) -> bytes:
    """Put a message's length before it.

    Args:
        message: an encoded message, or any other bytes.
    """
    return varint(len(message)) + message
