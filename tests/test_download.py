"""Downloads: only what has the right hash is kept; offline, no connection is opened."""

from __future__ import annotations

import gzip
import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.core.errors import UserError
from benchmark.data import digits, photos
from benchmark.data.fetch import OFFLINE
from benchmark.data.vision import torchvision


@pytest.fixture(autouse=True)
def empty_root(tmp_path, monkeypatch):
    """No data anywhere, and no memory of any."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.delenv(OFFLINE, raising=False)
    digits.mnist.cache_clear()
    yield
    digits.mnist.cache_clear()


def files(root: Path) -> list[str]:
    return [p.name for p in root.rglob("*") if p.is_file()]


class Server(BaseHTTPRequestHandler):
    """Answers as the test says."""

    how, asked = "", 0

    def do_GET(self):
        type(self).asked += 1
        if self.how == "error":
            return self.send_error(503)
        page = b"<html>quota exceeded</html>" * 100
        body = gzip.compress(page) if self.how == "packed" else page
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.how == "cut" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{listening.server_port}/"
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [url])
    monkeypatch.setattr(Server, "asked", 0)
    yield Server
    listening.shutdown()


@pytest.mark.parametrize("how", ["page", "packed", "cut", "error"])
def test_a_wrong_answer_is_told_and_not_kept(how, server, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "how", how)
    with pytest.raises(UserError, match="lacks .*downloading failed .*DATA_ROOT") as caught:
        digits.mnist()
    assert "\n" not in str(caught.value) and server.asked
    assert files(tmp_path) == []


class Archive:
    """Stands in for torchvision's download: writes what it is told to."""

    contents: dict[str, bytes] = {}

    def __init__(self, root, download):
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name, content in self.contents.items():
            (raw / name).write_bytes(content)


@pytest.mark.parametrize("wrong", [True, False])
def test_only_the_published_files_are_kept(wrong, tmp_path, monkeypatch):
    contents = {name: name.encode() * 9 for name in digits.MNIST}
    hashes = {name: hashlib.sha256(c).hexdigest() for name, c in contents.items()}
    if wrong:
        contents[list(contents)[-1]] += b"!"
    monkeypatch.setattr(digits, "MNIST", hashes)
    monkeypatch.setattr(Archive, "contents", contents)
    monkeypatch.setattr(torchvision.datasets, "MNIST", Archive)
    if wrong:
        with pytest.raises(UserError, match="arrived with the wrong SHA-256"):
            digits._download()
        assert files(tmp_path) == []
    else:
        digits._download()
        assert sorted(files(tmp_path)) == sorted(hashes)


def test_a_silent_server_is_not_waited_for(tmp_path, monkeypatch):
    def load(root, download):
        raise TimeoutError(f"after {socket.getdefaulttimeout():g} s")

    with pytest.raises(UserError, match="CIFAR-10: .* lacks .*TimeoutError: after 60 s"):
        photos._download(tmp_path / "data", load)
    assert socket.getdefaulttimeout() is None and files(tmp_path) == []


def test_damaged_files_already_there_are_named(tmp_path):
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in digits.MNIST:
        (raw / name).write_bytes(b"<html>quota exceeded</html>")
    with pytest.raises(UserError, match="not the published file"):
        digits.mnist()


def test_offline_opens_no_connection(tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv(OFFLINE, "")  # so that what the option sets is undone
    assert main(["--offline", "--plan", "--out", str(tmp_path / "out")]) == 0
    with pytest.raises(UserError, match="lacks .* offline nothing is downloaded"):
        digits.mnist()
    assert files(tmp_path) == []
