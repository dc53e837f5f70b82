"""A process with everything that can tell, at its loudest: the test beside it plants what must not be told."""

from __future__ import annotations

import logging
import sys
import threading
import time
import warnings
from pathlib import Path

from stowgate import events
from stowgate.faces.web.server import Listen
from stowgate.lifecycle import State
from stowgate.observe.audit import AuditLog
from stowgate.observe.logs import configure
from stowgate.observe.metrics import Asked, Metrics
from stowgate.vault.secret import Secret
from tests.ingest.taking import Taking, served

TOKEN = Secret("Zeisig-Zeisig-Zeisig")


def raises_in(canary: str) -> None:
    raise ValueError(canary)


def libraries_talk(canary: str) -> None:
    """What pynetdicom, pydicom, uvicorn and asyncio do on a bad day, with their loggers as loud as they get."""
    import asyncio

    import pydicom.config
    import pynetdicom
    from pydicom.dataset import Dataset

    pydicom.config.debug(True)
    pynetdicom.debug_logger()
    configure(["upload"], "debug", sys.stderr)  # whatever they brought along is taken over again
    for name in ("pynetdicom.acse", "pydicom", "uvicorn.error", "uvicorn.access", "asyncio", "watchfiles.main", canary):
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            logger.log(level, "%s " + canary, canary, extra={"patient": canary})
        try:
            raises_in(canary)
        except ValueError:
            logger.exception(canary)
    warnings.warn(canary, stacklevel=1)
    data = Dataset()
    data.PatientName = canary
    data.add_new(0x00100030, "DA", canary)

    async def falls() -> None:
        asyncio.get_running_loop().call_soon(raises_in, canary)
        await asyncio.sleep(0.01)
        task = asyncio.create_task(asyncio.to_thread(raises_in, canary))
        await asyncio.wait((task,))
        del task

    asyncio.run(falls())
    thread = threading.Thread(target=raises_in, args=(canary,), name=canary)
    thread.start()
    thread.join()


def main(folder: Path, canary: str) -> None:
    log = configure(["upload"], "debug", sys.stderr)
    audit = AuditLog(folder, bytes(32))
    metrics = Metrics(Asked(lambda: {"upload": {State.RECEIVED: 1}}, lambda: 1, lambda: None))

    def tell(event: events.GatewayEvent) -> None:
        log.watch(event)
        audit.watch(event)
        metrics.watch(event)

    def refuse(_: int, data: bytes) -> str:
        if b"RAISE" in data:
            raise RuntimeError(f"{canary} {data!r}")
        return "" if data[128:132] == b"DICM" else "not_dicom"

    with served(Taking(refuse=refuse), metrics=metrics.render, listen=Listen("127.0.0.1:0", TOKEN)) as stow:
        stow.watch = tell
        sys.stdout.write(f"{stow.server.port}\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for key in ("source", "item", "code", "event", "place", "error", "peer", "state", canary):
            log.write("error", canary if key == "event" else "refused", **({} if key == "event" else {key: canary}))
        libraries_talk(canary)
        time.sleep(0.1)
    raises_in(canary)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
