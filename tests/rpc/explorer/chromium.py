"""Chromium without a window, driven over its DevTools protocol."""

import asyncio
import base64
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from testing.speed import PATIENCE_SECONDS

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)
REASON = f"none of {', '.join(NAMES)} is installed"
_ADDRESS = re.compile(rb"DevTools listening on (ws://\S+)")
START_SECONDS = 60


class Browser:
    """One tab. complaints: what the page's console and the browser's log say of errors."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._session: str | None = None
        self._loaded = asyncio.Event()
        self.complaints: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def open(self) -> None:
        """Make the tab."""
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self.send(f"{domain}.enable")

    async def send(self, method: str, **params: Any) -> Any:
        """The result of a command."""
        number = len(self._waiting)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        await self._socket.send(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        return await self._waiting[number]

    async def goto(self, url: str) -> None:
        """Load a page."""
        self._loaded.clear()
        await self.send("Page.navigate", url=url)
        await self._loaded.wait()

    async def value(self, expression: str) -> Any:
        """What an expression of the page's JavaScript gives; a promise is awaited."""
        answer = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def begin_with(self, script: str) -> None:
        """Run a script in each page that is loaded from now on, before the page's own, as an extension does."""
        await self.send("Page.addScriptToEvaluateOnNewDocument", source=script)

    async def follow(self, expression: str) -> None:
        """Evaluate what leads to another page; wait for that."""
        self._loaded.clear()
        await self.value(expression)
        await self._loaded.wait()

    async def until(self, condition: str) -> None:
        """Wait for a condition, which the page looks at after each change of its content."""
        waiting = self.value(
            "new Promise((done) => { const look = () => { if (!("
            + condition
            + ")) return false; done(); return true; };"
            " if (look()) return; const watch = new MutationObserver(() => { if (look()) watch.disconnect(); });"
            " watch.observe(document, { attributes: true, childList: true, subtree: true, characterData: true }); })"
        )
        try:
            await asyncio.wait_for(waiting, PATIENCE_SECONDS)
        except TimeoutError:
            shown = await self.value("document.body.innerText")
            raise AssertionError(f"never {condition}\n{self.complaints}\n{shown}") from None

    async def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """The window's size in CSS pixels, and the colours that its user likes."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def press(self, key: str) -> None:
        """A key, down and up."""
        codes = {"Tab": 9, "Enter": 13, "/": 191, "ArrowUp": 38, "ArrowDown": 40}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else None)
        fields = {
            "key": key,
            "windowsVirtualKeyCode": codes.get(key) or ord(key.upper()),
            **({} if text is None else {"text": text}),
        }
        await self.send("Input.dispatchKeyEvent", type="keyDown", **fields)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **fields)

    async def leave(self, key: str) -> None:
        """A key that leads to another page; wait for that."""
        self._loaded.clear()
        await self.press(key)
        await self._loaded.wait()

    async def picture(self, file: Path, *, whole: bool = True) -> None:
        """The page as PNG; what the window shows of it if not `whole`."""
        answer = await self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(answer["data"]))

    async def close(self) -> None:
        """End the connection."""
        self._reader.cancel()
        await self._socket.close()

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if "id" in message:
                waiting = self._waiting[message["id"]]
                if "error" in message:
                    waiting.set_exception(RuntimeError(str(message["error"])))
                elif not waiting.done():
                    waiting.set_result(message["result"])
            elif message["method"] == "Page.loadEventFired":
                self._loaded.set()
            elif message["method"] == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"])
            elif message["method"] == "Runtime.exceptionThrown":
                self.complaints.append(str(message["params"]["exceptionDetails"]))


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """Chromium with its files in `folder`."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder / 'profile'}",
        "--host-resolver-rules=MAP localhost 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(folder)},
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(START_SECONDS):
            while (found := _ADDRESS.search(line := await process.stderr.readline())) is None:
                assert line, "Chromium ended"
        async with connect(found[1].decode(), max_size=None) as socket:
            tab = Browser(socket)
            try:
                await tab.open()
                yield tab
            finally:
                await tab.close()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
