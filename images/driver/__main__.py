"""The driver as a program."""

from .command import main

raise SystemExit(main())
