"""The first Ctrl-C or SIGTERM asks, the second ends at once."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from relclf.training.interruption import stop_on_signals

ASKED_TWICE = """
import os, signal, sys
from relclf.training.interruption import stop_on_signals
first, second = int(sys.argv[1]), int(sys.argv[2])
with stop_on_signals() as request:
    os.kill(os.getpid(), first)
    assert request.signal_number == first, request
    print("asked", flush=True)
    os.kill(os.getpid(), second)
    print("survived", flush=True)
"""


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_process_at_once(first: signal.Signals, second: signal.Signals) -> None:
    command = [sys.executable, "-c", ASKED_TWICE, str(int(first)), str(int(second))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (-second, "asked\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as request:
        assert request.signal_number is None
        os.kill(os.getpid(), number)
        assert request.signal_number == number
    assert signal.getsignal(number) is before


def test_handlers_come_back_after_an_error() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(RuntimeError), stop_on_signals():
        raise RuntimeError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_outside_the_main_thread_no_handler_is_set() -> None:
    found = []

    def body() -> None:
        with stop_on_signals() as request:
            found.append((request.signal_number, signal.getsignal(signal.SIGTERM)))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert found == [(None, before)]
