"""`python -m relclf` is the `relclf` command."""

from relclf.cli.app import main

main()
