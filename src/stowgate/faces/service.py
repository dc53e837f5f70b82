"""The gateway as a process: settings in, everything started in order, signals heard, everything ended in order."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from stowgate import events
from stowgate.analyse.triage import with_own
from stowgate.dicom.limits import Limits
from stowgate.errors import Misconfigured, StowgateError
from stowgate.faces.policies import policy_of, recipients
from stowgate.faces.web.app import build
from stowgate.faces.web.server import Listen, WebServer
from stowgate.gateway.acts import Hands
from stowgate.gateway.control import ControlServer
from stowgate.gateway.opened import Ears, Gateway, opened
from stowgate.gateway.plan import Plan, Recipient
from stowgate.gateway.purge import Keeping
from stowgate.gateway.sources import Sources
from stowgate.gateway.ways import WayOut
from stowgate.ingest.cstore import CStoreSource
from stowgate.ingest.dimse_settings import Dimse, address_of
from stowgate.ingest.seen import SeenFiles
from stowgate.ingest.source import Source
from stowgate.ingest.stow import Stow
from stowgate.ingest.stow_routes import StowRoutes
from stowgate.ingest.watch import Folder, WatchedFolder
from stowgate.lifecycle import Evidence
from stowgate.look.looker import need_extra
from stowgate.look.looking import Looking
from stowgate.observe import logs, service
from stowgate.observe.alerts import Alerts, webhook
from stowgate.observe.metrics import Asked, Metrics
from stowgate.outbox.routing import SEND
from stowgate.outbox.timetable import bandwidth_of, hours_of
from stowgate.questions_links import links
from stowgate.settings import Settings, needs
from stowgate.settings_delivery import Dest
from stowgate.settings_gateway import bytes_of, seconds_of
from stowgate.settings_problems import BadSettings
from stowgate.vault.secret import Secret, load

if TYPE_CHECKING:
    from stowgate.deliver.report_listener import ReportListener

DRAIN = 28.0
"""Seconds for everything to end after SIGTERM; systemd waits a little longer."""

_TICK = 1.0


def plan_of(settings: Settings, base: Path = Path()) -> Plan:
    """What the settings ask a gateway to do. Misconfigured: "bad_setting" where a gateway lacks what it needs."""
    if settings.spool.path is None:
        raise Misconfigured("bad_setting", "a gateway needs [spool] path")
    return Plan(
        settings.spool.path,
        policy_of(settings),
        base,
        settings.unit.name,
        settings.spool.key,
        settings.state.key,
        bytes_of(settings.spool.reserve),
        settings.workers.count,
        Limits(**settings.limits.model_dump()),
        {source.name: source.complete_after for source in settings.source},
        {source.name: source.issuer for source in settings.source if source.issuer},
        tuple(way_of(dest) for dest in settings.dest),
        tuple(route.rule() for route in settings.route),
        tuple(Recipient(one.name, policy, one.key) for one, policy in recipients(settings)),
        keeping_of(settings),
        looking_of(settings),
        with_own(one.rule() for one in settings.triage),
    )


def keeping_of(settings: Settings) -> Keeping:
    """What [purge] asks for."""
    purge = settings.purge
    after, originals = (seconds_of(text) if text else None for text in (purge.after, purge.originals))
    return Keeping(after, originals, purge.pressure)


def looking_of(settings: Settings) -> Looking:
    """What [look] asks for. Misconfigured: "image_extra_missing"."""
    looking = Looking(**settings.look.model_dump())
    if looking:
        need_extra()
    return looking


def way_of(dest: Dest) -> WayOut:
    """What a [[dest]] asks for."""
    return WayOut(
        dest.name, dest.sink, Evidence(dest.evidence), hours_of(dest.hours), bandwidth_of(dest.bwlimit), dest.workers
    )


def listen_of(settings: Settings) -> Listen | None:
    """Where the web server is to listen, None for nowhere; the token is read here."""
    web = settings.web
    if not web.listen:
        if any(isinstance(source, Stow) for source in settings.source):
            raise Misconfigured("bad_setting", 'a [[source]] of kind "stow" needs [web] listen')
        return None
    return Listen(web.listen, load(web.token) if web.token else None, web.certificate, web.key, web.hosts)


def hands_of(settings: Settings, gateway: Gateway) -> Hands:
    """What a person's acts are done with."""
    spool, woken = gateway.spool, gateway.backlog.came
    return Hands(
        gateway.ledger, spool.raw, spool.clean, gateway.audit, settings.output.path, woken, gateway.outbox,
        gateway.profiles, gateway.purge, gateway.intake,
    )  # fmt: skip


def names_of(settings: Settings) -> list[str]:
    """Every name of the configuration that a log may show."""
    names = [one.name for one in (*settings.source, *settings.dest)]
    return [*names, "unknown", SEND, *([settings.unit.name] if settings.unit.name else [])]


def _listener(settings: Settings) -> ReportListener | None:
    """Where reports of storage commitments are heard. Misconfigured: "port_unavailable", "web_certificate"."""
    heard = settings.commitment
    if not heard.listen:
        return None
    from stowgate.deliver.report_listener import ReportListener
    from stowgate.ingest.cstore import tls_context

    titles = [one.calling for one in settings.dest if one.kind == "dimse"]
    return ReportListener(*address_of(heard.listen), titles, tls=tls_context(heard.tls) if heard.tls else None)


class Running:
    """An open gateway with its sources and its web server; `ports` by source name, "web" for the server."""

    def __init__(self, settings: Settings, gateway: Gateway) -> None:
        self.settings, self.gateway = settings, gateway
        self.ports: dict[str, int] = {}
        tell = gateway.ears.tell
        listen = listen_of(settings)
        self._server = WebServer(listen) if listen else None
        self._seen: list[SeenFiles] = []
        self.sources = Sources(dict(self._made()), gateway.intake, tell)
        self._stow = [StowRoutes(one, gateway.intake, tell) for one in settings.source if isinstance(one, Stow)]
        ledger = gateway.ledger
        self.metrics = Metrics(
            Asked(ledger.counts, gateway.room, ledger.oldest_waiting, ledger.deliveries.counts, self._links),
            lost=gateway.found.lost,
        )
        gateway.ears.add(self.metrics.watch)
        if self._server and listen:
            routes = [route for one in self._stow for route in one.routes()]
            app = build(routes, listen.names, listen.token, self.not_ready, self.metrics.render, tell)
            self._server.start(app)
            self.ports["web"] = self._server.port
        self._reports = _listener(settings)
        if self._reports:
            self.ports["commitment"] = self._reports.port
        self.sources.start()

    def not_ready(self) -> tuple[str, ...]:
        """Codes of what keeps things from being taken in; for /readyz."""
        return (*self.gateway.intake.closed_by, *("port_unavailable" for _ in self.sources.failed))

    def _links(self) -> dict[str, tuple[float | None, int]]:
        states = links(self.gateway.ledger, [dest.name for dest in self.settings.dest], most=0)
        return {state.name: (state.rate, state.left.bytes) for state in states}

    def stop(self, seconds: float) -> bool:
        """Stop taking in: the sources, and the uploads meanwhile; whether all were done in time."""
        deadline = time.monotonic() + seconds
        if self._server:
            self._server.drain()
        done = self.sources.stop(seconds)
        if self._server:
            done = self._server.stop(max(0.1, deadline - time.monotonic())) and done
            for one in self._stow:
                one.close()
        for seen in self._seen:
            seen.close()
        if self._reports:
            self._reports.close()
        return done

    def _made(self) -> Iterator[tuple[str, Source]]:
        gateway = self.gateway
        for one in self.settings.source:
            if isinstance(one, Dimse):
                source = CStoreSource(one, gateway.ledger.turned_away, gateway.ears.tell)
                self.ports[one.name] = source.port
                yield one.name, source
            elif isinstance(one, Folder):
                seen = SeenFiles(gateway.spool.folder / f"seen-{one.name}", gateway.key.sub(b"watched"))
                self._seen.append(seen)
                yield one.name, WatchedFolder(one, seen, (gateway.spool.folder,), gateway.ears.tell)


@contextmanager
def running(
    settings: Settings,
    base: Path = Path(),
    ask: Callable[[], str] | None = None,
    made: Callable[[Path], None] = lambda _: None,
) -> Iterator[Running]:
    """A gateway that takes things in, until the block ends; then it is drained in at most `DRAIN` seconds.

    made -- told of each key file that was made, even where the start fails afterwards
    Raises `Misconfigured` with what a person has to change, before anything is taken in.
    """
    missing = needs(settings)
    if missing:
        raise BadSettings("bad_setting", missing)
    plan, ears = plan_of(settings, base), Ears()
    with ExitStack() as held:
        file = held.enter_context(_log_file(settings.log.file)) if settings.log.file else None
        log = logs.configure(names_of(settings), settings.log.level, file)
        ears.add(log.watch)
        if settings.alerts.webhook:
            address: Secret = load(settings.alerts.webhook, shortest=8)
            alerts = Alerts(webhook(address.text), plan.unit)
            held.callback(alerts.close)
            ears.add(alerts.watch)
        gateway = held.enter_context(opened(plan, ears, ask, made=made))
        now = Running(settings, gateway)
        held.callback(now.stop, DRAIN)
        control = ControlServer(gateway.spool.folder, hands_of(settings, gateway))
        held.callback(control.close)
        ears.tell(events.Started(_version(), plan.policy.digest))
        yield now


def _log_file(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8")
    except OSError:
        raise Misconfigured("bad_setting", "[log] file cannot be written") from None


def serve(
    settings: Settings,
    base: Path = Path(),
    ready: Callable[[Running], None] = lambda _: None,
    ask: Callable[[], str] | None = None,
    made: Callable[[Path], None] = lambda _: None,
) -> int:
    """Run until SIGTERM or SIGINT; a second signal ends the process at once, which loses nothing. The exit code."""
    service.seal_process()
    stop = threading.Event()

    def asked(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise SystemExit(130)
        stop.set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with running(settings, base, ask, made) as now:
            ready(now)
            service.tell(service.READY)
            _watch(now, stop)
            service.tell(service.STOPPING)
            now.gateway.ears.tell(events.Stopping())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _watch(now: Running, stop: threading.Event) -> None:
    """What has to be done every now and then, until somebody asks to stop."""
    beat = service.watchdog_seconds() or 30.0
    told = time.monotonic()
    while not stop.wait(_TICK):
        try:
            now.gateway.note_completeness()
        except StowgateError:
            continue  # the disk is what is wrong, and intake says so; no sign of life then
        if time.monotonic() - told >= beat:
            told = time.monotonic()
            service.tell(service.ALIVE)


def _version() -> str:
    from importlib.metadata import version

    return version("stowgate")
