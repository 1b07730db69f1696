"""How a login is sent over HTTP."""

from base64 import b64encode

import requests

from anomaly.login import basic_login


def test_a_login_is_sent_in_utf_8() -> None:
    request = requests.Request("GET", "http://127.0.0.1", auth=basic_login("né", "geheim-数")).prepare()
    assert request.headers["Authorization"] == f"Basic {b64encode('né:geheim-数'.encode()).decode()}"
