"""The process in which one JavaScript tracer runs; script_process.py starts and ends it.

It is run as a file and imports nothing of the node, so that it starts fast and holds nothing to spy on. Lines over
its pipes, JSON each:

    in   the prelude's text, then batches of events, each answered before the next is read
    out  "=" and {done} or {error}, once for a batch; before that any number of "?" and a question, whose answer is
         the next line in
"""

import os
import resource
import select
import sys
import threading
from json import dumps, loads

# the module inside quickjs, which itself imports thread pools and starts a thread: 16 ms of 27
from _quickjs import Context, JSException, StackOverflow

MEMORY_ABOVE_SCRIPT_BYTES = 256 * 1024 * 1024
"""Address space for Python itself and what passes through its hands."""


ERROR_CHARACTERS = 4_096
"""Of an error that the script's functions did not live to tell of."""

WATCH_STACK_BYTES = 64 * 1024
"""Native stack of the thread that waits for the node's end."""


def end_with_input() -> None:
    """End this process as soon as the other end of its standard input is closed, as when the node is killed.

    The script's engine lets other threads run, so that a script that loops does not keep the process alive.
    """
    watch = select.poll()
    watch.register(0, 0)

    def wait() -> None:
        watch.poll()
        os._exit(1)

    threading.stack_size(WATCH_STACK_BYTES)
    threading.Thread(target=wait, daemon=True).start()


def main(memory_bytes: int, cpu_seconds: int) -> None:
    """Serve until the input ends. memory_bytes: what the script may take. cpu_seconds: the last resort."""
    end_with_input()
    space = memory_bytes + MEMORY_ABOVE_SCRIPT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    lines, output = sys.stdin.buffer, sys.stdout.buffer

    def ask(question: str) -> str:
        output.write(b"?" + question.encode() + b"\n")
        output.flush()
        answer = lines.readline()
        if not answer:
            # an exception would end up in the script, which may go on
            os._exit(1)
        return answer.decode()

    context = Context()
    context.set_memory_limit(memory_bytes)
    context.add_callable("askNode", ask)
    handle = context.eval(loads(lines.readline()))
    for line in lines:
        try:
            reply = handle(line.decode())
        except (JSException, StackOverflow) as error:
            reply = dumps({"error": str(error).partition("\n")[0][:ERROR_CHARACTERS]})
        output.write(b"=" + reply.encode() + b"\n")
        output.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
