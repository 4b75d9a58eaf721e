"""Application error codes of QUIC streams and connections."""

SHUTDOWN, TOO_LARGE, BAD_FRAME, BUSY, AUTHENTICATION_REQUIRED, DEADLINE = range(0x100, 0x106)
INTERNAL = 0x1FF

CODE_NAMES = {
    SHUTDOWN: "the server is stopping",
    TOO_LARGE: "the message is too large",
    BAD_FRAME: "the message is malformed",
    BUSY: "the server is busy",
    AUTHENTICATION_REQUIRED: "the request must be signed",
    DEADLINE: "the peer was too slow",
    INTERNAL: "internal error",
}


def code_text(code: int) -> str:
    """The code with its meaning."""
    return f"0x{code:x}, {CODE_NAMES[code]}" if code in CODE_NAMES else f"0x{code:x}"
