"""The parent of several workers, without any."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

from octoroute.server.workers import Workers


def test_a_stop_lets_nobody_in_and_does_not_wait_for_a_restart():
    listener = socket.create_server(("127.0.0.1", 0))
    workers = Workers(listener, work=lambda *_: None, reload=lambda: None, died=lambda _: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    stop = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
    try:
        signal.signal(signal.SIGTERM, workers._stop)
        stop.start()
        since = time.monotonic()
        workers._sleep(60)
        assert time.monotonic() - since < 30
        workers._fork()  # would run the work, and end this process
    finally:
        stop.join()
        for number, handler in before.items():
            signal.signal(number, handler)
    assert listener.fileno() == -1
    assert workers._watch() == 0
