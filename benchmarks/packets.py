"""A link of IP packets between this machine and a network namespace: rate, delay, jitter, loss, silence; for root.

Two TUN devices, and this process carries each packet from one to the other, late, in order, or not at all. TCP at both
ends is the kernel's own, so that loss and silence cost what they cost on the air. Packets are lost by nftables where
they arrive at either end, behind the delay, without which loss is nothing to TCP; where a kernel has no nftables they
are dropped here by seeded chance, and that is said.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import random
import re
import select
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import TypeVar

from stowgate.link.lane import Lane
from stowgate.link.profiles import Profile
from stowgate.link.relay import Relay
from stowgate.link.trace import State

NEAR, FAR = "10.97.13.1", "10.97.13.2"
_NAME, _SET, _FLAGS, _NETWORK = "stowgate-air", 0x400454CA, 0x1001, 0x40000000
_DEEP = 250_000
"""Bytes that wait for their turn at most, a second's worth of 2 Mbit/s: what comes then is dropped, as a modem does."""
Made = TypeVar("Made")


class Air:
    """The link while it is there. `cut` and `mend` by hand; `loss` is the chance of each packet not to arrive.

    by_nftables -- whether the kernel loses them; then `lost` counts only what silence and a full modem swallowed
    """

    def __init__(self, profile: Profile, loss: float, control: str = "") -> None:
        self.profile, self.loss, self.began = profile, loss, time.monotonic()
        self.by_hand: State | None = None
        self.last_up = self.packets = self.lost = 0
        subprocess.run(
            ["ip", "netns", "del", _NAME], check=False, stderr=subprocess.DEVNULL
        )  # of a run that was killed
        self._ends = [_device("sgwnear"), _device("sgwfar")]
        route = f"ip route replace {FAR} dev sgwnear src {NEAR} congctl {control}"
        for words in (*_COMMANDS, *([route] if control else [])):
            subprocess.run(words.split(), check=True)
        self.by_nftables = all(_lossy(end, loss) for end in _ENDS)
        if not self.by_nftables:
            print("NOTICE: nftables cannot lose packets here; they are dropped by seeded chance instead", flush=True)
        self._stopping, self._weathers = False, 0
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def now(self) -> float:
        return time.monotonic() - self.began

    def anew(self, profile: Profile) -> None:
        """Another weather, from its beginning."""
        self.profile, self.began, self.by_hand = profile, time.monotonic(), None
        self._weathers += 1

    def state(self) -> State:
        return self.by_hand or self.profile.trace.at(self.now()).state

    def inside(self, make: Callable[[], Made]) -> Made:
        """What is made by this function lives at the far end: its sockets, its threads and processes."""
        made: list[Made] = []

        def work() -> None:
            _enter()
            made.append(make())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return made[0]

    @contextmanager
    def relayed(self, port: int, profile: Profile) -> Iterator[Relay]:
        """A relay at the far end in front of a peer there: it ends connections, and counts."""
        made: list[Relay] = []
        ready, stop = threading.Event(), threading.Event()

        async def carry() -> None:
            made.append(Relay(("127.0.0.1", port), profile, (FAR, 0)))
            ready.set()
            task = asyncio.ensure_future(made[0].run())
            while not stop.is_set():
                await asyncio.sleep(0.05)
            task.cancel()

        def work() -> None:
            _enter()
            asyncio.run(carry())

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        ready.wait()
        try:
            yield made[0]
        finally:
            stop.set()
            thread.join()

    def close(self) -> None:
        self._stopping = True
        self._thread.join()
        for end in _ENDS:
            _lossless(end)
        for handle in self._ends:
            os.close(handle)
        subprocess.run(["ip", "netns", "del", _NAME], check=False)

    def lost_by_nftables(self) -> int:
        """Packets, at both ends."""
        told = [
            subprocess.run([*end.inside, "nft", "list", *_TABLE], check=True, capture_output=True, text=True)
            for end in _ENDS
        ]
        return sum(int(found) for one in told for found in re.findall(r"packets (\d+)", one.stdout))

    def _carry(self) -> None:
        chance = random.Random(3)
        waiting: list[deque[tuple[float, bytes]]] = [deque(), deque()]
        lanes, weathers = self._lanes(), self._weathers
        due = [0.0, 0.0]
        held = [0, 0]
        while not self._stopping:
            if weathers != self._weathers:
                weathers, lanes, due, held = self._weathers, self._lanes(), [0.0, 0.0], [0, 0]
                waiting = [deque(), deque()]
            now = self.now()
            first = min((queue[0][0] for queue in waiting if queue), default=now + 0.05)
            readable, _, _ = select.select(self._ends, [], [], max(0.0, min(first - now, 0.05)))
            for way, end in enumerate(self._ends):
                if end in readable:
                    packet, now = os.read(end, 2048), self.now()
                    self.packets += 1
                    is_lost = not self.by_nftables and chance.random() < self.loss
                    if self.state() is not State.UP or is_lost or held[way] > _DEEP:
                        self.lost += 1
                        continue
                    due[way] = max(due[way], lanes[way].through(len(packet), now) + lanes[way].late(now))
                    held[way] += len(packet)
                    waiting[way].append((due[way], packet))
            for way, queue in enumerate(waiting):
                while queue and queue[0][0] <= self.now():
                    _, packet = queue.popleft()
                    held[way] -= len(packet)
                    if self.state() is State.UP:
                        os.write(self._ends[1 - way], packet)

    def _lanes(self) -> list[Lane]:
        return [Lane(self.profile, self.profile.trace.at, way) for way in (1, 2)]


_COMMANDS = (
    f"ip netns add {_NAME}",
    f"ip link set sgwfar netns {_NAME}",
    f"ip addr add {NEAR} peer {FAR} dev sgwnear",
    "ip link set sgwnear mtu 1400 up",
    f"ip netns exec {_NAME} ip addr add {FAR} peer {NEAR} dev sgwfar",
    f"ip netns exec {_NAME} ip link set sgwfar mtu 1400 up",
    f"ip netns exec {_NAME} ip link set lo up",
)


@dataclass(frozen=True)
class _End:
    """Where packets arrive: a device, and the words that lead into its namespace."""

    device: str
    inside: tuple[str, ...] = ()


_ENDS = (_End("sgwnear"), _End("sgwfar", ("ip", "netns", "exec", _NAME)))
_TABLE = ("table", "netdev", "stowgate_air")
_LOSS = """table netdev stowgate_air {{
    chain arriving {{
        type filter hook ingress device {device} priority 0; policy accept;
        numgen random mod 10000 < {loss} counter drop
    }}
}}
"""


def _lossy(end: _End, loss: float) -> bool:
    """Have the kernel lose a share of what arrives at an end; whether it can."""
    _lossless(end)  # of a run that was killed
    words = _LOSS.format(device=end.device, loss=round(loss * 10_000))
    done = subprocess.run([*end.inside, "nft", "-f", "-"], input=words, check=False, capture_output=True, text=True)
    return done.returncode == 0


def _lossless(end: _End) -> None:
    subprocess.run([*end.inside, "nft", "delete", *_TABLE], check=False, capture_output=True)


def _device(name: str) -> int:
    handle = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(handle, _SET, struct.pack("16sH22x", name.encode(), _FLAGS))
    return handle


def _enter() -> None:
    """This thread, and what it starts, is at the far end from now on."""
    handle = os.open(f"/run/netns/{_NAME}", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, _NETWORK):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(handle)


@contextmanager
def air(profile: Profile, loss: float, control: str = "") -> Iterator[Air]:
    made = Air(profile, loss, control)
    try:
        yield made
    finally:
        made.close()


def missing() -> str:
    """Why this cannot be done here, "" if it can."""
    if os.geteuid():
        return "only root can make network namespaces and TUN devices"
    if not Path("/dev/net/tun").exists():
        return "/dev/net/tun is absent"
    if not which("nft"):
        return "the nft command (Debian: nftables) is absent"
    done = subprocess.run(["ip", "netns", "list"], check=False, capture_output=True)
    return "the ip command (Debian: iproute2) is absent or may not make namespaces" if done.returncode else ""
