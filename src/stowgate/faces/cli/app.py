"""What is typed is carried out, and what happens when that fails."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from stowgate.errors import Rejected, StowgateError
from stowgate.faces.cli.exits import Exit, of_error
from stowgate.faces.cli.show import say, tell, version

_STOPPED = "Stopped. What was finished stays; run the same command again to go on. Nothing was lost."
_DEMO = "Stopped. The folder of the demonstration is deleted; nothing of it stays."


def run() -> int:
    """Carry out the command line; the exit code."""
    code = _carried_out(sys.argv[1:])
    if code == Exit.INTERRUPTED:
        say(_DEMO if sys.argv[1:2] == ["demo"] else _STOPPED)
    return code


def _carried_out(words: Sequence[str]) -> int:
    try:
        return _done(words)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Rejected as error:
        say(f"{error.code}: {error}")
        return Exit.PARTLY
    except StowgateError as error:
        say(f"{error.code}: {error}")
        return of_error(error.code)
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.BUG
    except Exception as error:  # noqa: BLE001 - its text could quote a value, so only its kind and place are shown
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {where.name}, line {where.lineno}"
        say(f"internal_error: {place}. This is a bug; nothing of the input was changed.")
        return Exit.BUG


def _done(words: Sequence[str]) -> int:
    """The version and an everyday `deid` at once; everything else by Typer, which takes longer to start than both."""
    if words == ["--version"]:
        tell(version())
        return Exit.DONE
    if words[:1] == ["deid"]:
        from stowgate.faces.cli.everyday import read

        asked = read(words[1:])
        if asked:
            from stowgate.faces.cli.cleaning import clean

            return clean(asked)
    from stowgate.faces.cli.commands import carried_out

    return carried_out(words)
