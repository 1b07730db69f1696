#!/usr/bin/env python3
"""Builds the project's images, those that are missing; see README.md beside it. Python's standard library will do."""

from driver.command import main

if __name__ == "__main__":
    raise SystemExit(main())
