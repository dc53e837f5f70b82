"""What changes below a folder, as the system tells it, and a sign of life where it tells nothing."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event


def changes(root: str, stop: Event, settle: float) -> Iterator[list[str] | None]:
    """Paths that changed, at least once in `settle` seconds, empty where nothing did; ends when `stop` is set.

    None says that the system tells of changes from now on: what came before has to be looked for.
    """
    from watchfiles import watch

    wait = int(min(settle, 1.0) * 500)
    while not stop.is_set():
        anew = True
        try:
            for found in watch(
                root,
                watch_filter=None,
                stop_event=stop,
                rust_timeout=wait,
                yield_on_timeout=True,
                debounce=wait,
                step=min(50, wait),
                raise_interrupt=False,
            ):
                if anew:
                    anew = False
                    yield None
                yield [path for _, path in found]
        except (OSError, RuntimeError):  # no more watches, or the folder went away: looking at all of it goes on
            stop.wait(settle)
            yield []
