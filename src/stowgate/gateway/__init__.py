"""The gateway as a long-running process: intake, workers, start-up, and how it stops."""
