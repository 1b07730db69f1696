"""Logs in to servers over HTTP."""

from requests.auth import HTTPBasicAuth


def basic_login(username: str, password: str) -> HTTPBasicAuth:
    """Return the login for requests.

    It holds bytes, because requests encodes texts in Latin-1, and servers read UTF-8.
    """
    return HTTPBasicAuth(username.encode(), password.encode())
