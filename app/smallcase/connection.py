"""What one client may hold, and for how long. uvicorn alone lets each byte of a client buy it more time."""

import asyncio
import sys
from typing import ClassVar, Final, final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from smallcase.web import UNREADABLE

KEEP_ALIVE: Final = 75
"""Seconds. Longer than an Application Load Balancer keeps an idle connection (60 s unless set), so that the balancer is
always the one to close it: a request sent into a connection that is just being closed here would be lost as a 502."""

EXCHANGE: Final = 5
"""Seconds in which a client has sent its whole request, body included, and taken the answers that no buffer holds."""

MOST_HEADERS: Final = 100
"""In a request. What is made of one takes fifty times its room, for as long as the connection is kept."""

MOST_SCRAPS: Final = 100
"""In a body: pieces of fewer than 64 bytes. Reading one takes as long as reading many kilobytes."""

_STAND_IN: Final = b"- / HTTP/1.0\r\n\r\n"


@final
class _Reader(h11.Connection):
    """Refuses what is short to send and long to work on."""

    _scraps = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._scraps = 0
            if len(event.headers) > MOST_HEADERS:
                raise h11.RemoteProtocolError("too many headers", error_status_hint=431)
        elif isinstance(event, h11.Data) and len(event.data) < 64:
            self._scraps += 1
            if self._scraps > MOST_SCRAPS:
                raise h11.RemoteProtocolError("too many chunks")
        return event


@final
class Connection(H11Protocol):
    """A connection that ends when its client owes something for too long, or when another needs its place."""

    most: ClassVar = 1500
    """How many there may be. Whatever they send, they fit the smallest pod."""
    _all: ClassVar[dict["Connection", None]] = {}
    """First comes the one that was answered longest ago, or has waited longest for its first request."""
    _deadline: asyncio.TimerHandle
    _idle = False
    _deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self.conn = _Reader(h11.SERVER)
        self._deadline = self.loop.call_later(EXCHANGE, self._expire)
        self._all[self] = None
        if len(self._all) > self.most:
            oldest = next((one for one in self._all if not one.answering), self)
            del self._all[oldest]
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        self._all.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._idle:
            self._begin()
        super().data_received(data)
        self._wait()
        self._rest()

    def on_response_complete(self) -> None:
        received = self.conn.their_state is h11.DONE
        self._all[self] = self._all.pop(self)
        super().on_response_complete()
        self._wait()  # The next request may have come along with this one.
        if received:
            self._begin()
        self._rest()

    def send_400_response(self, msg: str) -> None:
        """Let the application answer, instead of uvicorn, what is no request. `msg` says no more than that."""
        self._deaf = True
        error = sys.exception()
        assert isinstance(error, h11.RemoteProtocolError), msg
        if not self._begun and self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self.app_state = {UNREADABLE: error.error_status_hint}
            self.conn = h11.Connection(h11.SERVER)
            super().data_received(_STAND_IN)

    @property
    def answering(self) -> bool:
        """Whether the client waits for its answer, and would take it."""
        return self._begun and not self.flow.write_paused

    @property
    def _begun(self) -> bool:
        """Whether the application is at a request."""
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _wait(self) -> None:
        """Read on once the application asks for the body, or has answered without."""
        if self.answering and not self._deaf:
            self.flow.pause_reading()

    def _begin(self) -> None:
        self._idle = False
        self._allow(EXCHANGE)

    def _rest(self) -> None:
        """Once nothing is owed on either side, keep the connection for the next request."""
        owed = self.conn.trailing_data[0] or {self.conn.our_state, self.conn.their_state} != {h11.IDLE}
        if not (self._idle or owed):
            self._idle = True
            self._allow(KEEP_ALIVE)

    def _allow(self, seconds: float) -> None:
        self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        asked = self.conn.their_state is h11.SEND_BODY and not self.flow.read_paused
        if self.answering and not asked:
            self._allow(EXCHANGE)  # It is the application that owes.
        else:
            self.transport.abort()
