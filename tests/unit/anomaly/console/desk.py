"""Browsers of two people, and the InfluxDB behind them."""

from pathlib import Path
from urllib.parse import urlencode

from tests.unit.anomaly.console.answers import PIPELINES, Results
from tests.unit.anomaly.console.made import client, make_app


class Desk:
    """Browsers of two people, and the InfluxDB behind them."""

    def __init__(self, folder: Path) -> None:
        self.results = Results()
        self.models = folder / "models"
        app, self.influx = make_app(folder, PIPELINES, self.results, cache_seconds=0)
        self.app = app
        self.viewer = client(app, "vera")
        self.operator = client(app, "otto")

    def page(self, path: str, **parameters: str | int | list[str]) -> str:
        answer = self.viewer.get(f"{path}?{urlencode(parameters, doseq=True)}")
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def refused(self, path: str, **parameters: str | int | list[str]) -> tuple[int, str]:
        answer = self.viewer.get(f"/api{path}?{urlencode(parameters, doseq=True)}")
        return answer.status_code, answer.json()["error"]
