"""`python -m stowgate` is the same as `stowgate`."""

from stowgate.faces.cli import main

main()
