#!/usr/bin/env python3
"""Builds the project's images, those that are missing; see README.md beside it. Python's standard library will do."""

import runpy

if __name__ == "__main__":
    # By name and not by import: the driver's modules import each other relatively, so that they are found as well
    # from the repository's root, by tests and type checkers.
    runpy.run_module("driver", run_name="__main__", alter_sys=True)
