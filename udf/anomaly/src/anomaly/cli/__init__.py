"""The command line `anomaly`: parses options, calls a use case, prints its result, and maps it to an exit code.

The README has its contract. Each command is a file, and imports what it needs when it runs.

- `main`: declares the arguments of all commands, and runs the chosen one.
- `validate`, `explain`, `alerts`: what a pipeline means, without any service.
- `train`, `models`, `compare`: models, and the shadow beside the current one.
- `backtest`, `what_if`, `catchup`, `report`, `status`: history, and what the results say.
- `feedback`, `expire`: marks, and old results.
- `keeper`, `keeper_health`, `supervise`, `console`: the programs of the stack's containers.
- `common`, `specification`, `columns`: parts that commands share; `failure`, `codes`: messages and exit codes.
"""

from anomaly.cli.main import main

__all__ = ["main"]
