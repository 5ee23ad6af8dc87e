"""Run directories: what a training leaves behind (docs/run-directory.md)."""
