"""Starts processes, passes on what they say, and ends them in good order."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import IO

from ros2cli.log import LaunchLog
from ros2cli.processes import Process

_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)
_PIPE_GRACE_S = 1.0


class _Child:
    """One process over its starts."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.popen: subprocess.Popen[bytes] | None = None
        self.num_starts = 0
        self.due_s: float | None = None
        self.due: Callable[[], None] | None = None

    def wait_for(self, seconds: float, action: Callable[[], None]) -> None:
        self.due_s, self.due = time.monotonic() + seconds, action

    def forget_due(self) -> None:
        self.due_s = self.due = None

    @property
    def is_over(self) -> bool:
        return self.popen is None and self.due is None


class Launcher:
    """Runs processes until all have ended or a signal ends them.

    All decisions are taken in one thread, one event after the other; reader threads only bring
    lines and ends.

    Args:
        processes: In the order in which they start.
        log: Where their output goes.
        terminal_interrupts: Whether Ctrl-C has reached the processes already, since they share
            our terminal.
    """

    def __init__(
        self, processes: Sequence[Process], *, log: LaunchLog, terminal_interrupts: bool
    ) -> None:
        self._children = [_Child(process) for process in processes]
        self._log = log
        self._terminal_interrupts = terminal_interrupts
        # a SimpleQueue may be put into from a signal handler
        self._events: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._is_shutdown = False
        self._exit_code = 0

    def run(self) -> int:
        """Returns 0, or 1 if a signal other than SIGINT ended it."""
        with self._signals():
            for child in self._children:
                self._start(child)
            while not all(child.is_over for child in self._children):
                self._one_event()
        return self._exit_code

    def _one_event(self) -> None:
        due = min((c.due_s for c in self._children if c.due_s is not None), default=None)
        timeout_s = None if due is None else max(due - time.monotonic(), 0.0)
        try:
            event = self._events.get(timeout=timeout_s)
        except Empty:
            for child in self._children:
                if child.due is not None and (child.due_s or 0.0) <= time.monotonic():
                    action = child.due
                    child.forget_due()
                    action()
        else:
            event()

    def _start(self, child: _Child) -> None:
        process = child.process
        child.num_starts += 1
        try:
            child.popen = subprocess.Popen(
                process.command,
                cwd=process.cwd,
                env=process.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            self._log.say("ERROR", process.label, f"cannot be started: {error}")
            return
        self._log.say("INFO", process.label, f"process started with pid [{child.popen.pid}]")
        readers = [
            threading.Thread(target=self._read, args=(process, pipe, name), daemon=True)
            for pipe, name in ((child.popen.stdout, "stdout"), (child.popen.stderr, "stderr"))
        ]
        for reader in readers:
            reader.start()
        threading.Thread(
            target=self._wait, args=(child, child.popen, readers), daemon=True
        ).start()

    def _read(self, process: Process, pipe: IO[bytes], name: str) -> None:
        to_screen = process.output in {"screen", "both"} or name == "stderr"
        to_file = process.output in {"log", "both"}
        for raw in pipe:
            line = raw.decode(errors="replace").removesuffix("\n")
            output = partial(
                self._log.output, process.label, line, to_screen=to_screen, to_file=to_file
            )
            self._events.put(output)

    def _wait(
        self, child: _Child, popen: subprocess.Popen[bytes], readers: list[threading.Thread]
    ) -> None:
        code = popen.wait()
        # what it started may hold its pipes open for longer than anyone wants to wait
        for reader in readers:
            reader.join(_PIPE_GRACE_S)
        self._events.put(partial(self._on_exit, child, popen.pid, code))

    def _on_exit(self, child: _Child, pid: int, code: int) -> None:
        process = child.process
        child.popen = None
        child.forget_due()
        if code == 0:
            self._log.say("INFO", process.label, f"process has finished cleanly [pid {pid}]")
        else:
            text = f"[pid {pid}, exit code {code}, cmd '{' '.join(process.command)}']"
            self._log.say("ERROR", process.label, f"process has died {text}.")
        if self._is_shutdown:
            return
        if process.ends_launch:
            text = f"process[{process.label}] was required: shutting down launched system"
            self._log.say("INFO", "launch", text)
            self._shutdown(send_sigint=True)
        elif process.respawn and not 0 <= process.respawn_max_retries < child.num_starts:
            child.wait_for(process.respawn_delay_s, partial(self._start, child))

    def _on_signal(self, number: int) -> None:
        name = signal.Signals(number).name
        if number != signal.SIGINT:
            self._log.say("ERROR", "launch", f"terminated by {name}, ending all processes")
            self._exit_code = 1
            self._shutdown(send_sigint=True)
        elif self._is_shutdown:
            self._log.say(
                "WARNING", "launch", "user interrupted with ctrl-c (SIGINT) again, ignoring..."
            )
        else:
            self._log.say("WARNING", "launch", "user interrupted with ctrl-c (SIGINT)")
            self._shutdown(send_sigint=not self._terminal_interrupts)

    def _shutdown(self, *, send_sigint: bool) -> None:
        if self._is_shutdown:
            return
        self._is_shutdown = True
        for child in self._children:
            child.forget_due()
            if child.popen is not None:
                if send_sigint:
                    self._send(child, signal.SIGINT)
                child.wait_for(child.process.sigterm_timeout_s, partial(self._terminate, child))

    def _terminate(self, child: _Child) -> None:
        timeout_s = child.process.sigterm_timeout_s
        self._escalate(child, timeout_s, signal.SIGINT, signal.SIGTERM)
        child.wait_for(child.process.sigkill_timeout_s, partial(self._kill, child))

    def _kill(self, child: _Child) -> None:
        timeout_s = child.process.sigkill_timeout_s
        self._escalate(child, timeout_s, signal.SIGTERM, signal.SIGKILL)

    def _escalate(
        self, child: _Child, timeout_s: float, sent: signal.Signals, now: signal.Signals
    ) -> None:
        text = (
            f"process[{child.process.label}] failed to terminate '{timeout_s:g}' seconds after "
            f"receiving '{sent.name}', escalating to '{now.name}'"
        )
        self._log.say("ERROR", child.process.label, text)
        self._send(child, now)

    def _send(self, child: _Child, number: signal.Signals) -> None:
        if child.popen is not None:
            label = child.process.label
            self._log.say("INFO", label, f"sending signal '{number.name}' to process[{label}]")
            child.popen.send_signal(number)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def handle(number: int, _: object) -> None:
            self._events.put(partial(self._on_signal, number))

        # what nohup has us ignore stays ignored
        ending = [each for each in _ENDING_SIGNALS if signal.getsignal(each) != signal.SIG_IGN]
        numbers = (signal.SIGINT, *ending)
        before = {number: signal.signal(number, handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
