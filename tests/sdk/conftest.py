"""A simulator of its own for every test, and the official clients pointed at it."""

import json
import os
import queue
import subprocess
import threading
import urllib.request

import pytest
from tencentcloud.common import credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.gaap.v20180529 import gaap_client, models
from tencentcloud.sts.v20180813 import sts_client

SECRET_ID = "AKIDSDKTEST000000000000000000000001"
SECRET_KEY = "sdktestsdktestsdktestsdktest0001"
OTHER_ID = "AKIDSDKTEST000000000000000000000002"
OTHER_KEY = "sdktestsdktestsdktestsdktest0002"
UIN = "100000000001"
OTHER_UIN = "100000000002"
START_LIMIT_SECONDS = 20
STOP_LIMIT_SECONDS = 10


class Simulator:
    """A running gaap-simulator and its control API."""

    def __init__(self, url):
        self.url = url
        self.address = url.removeprefix("http://")

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def add(self, proxy_id, **members):
        self.control("POST", "proxies", {"id": proxy_id, **members})

    def fault(self, kind, **members):
        self.control("POST", "faults", {"kind": kind, **members})

    def settings(self, **members):
        self.control("POST", "settings", members)

    def requests(self):
        return self.control("GET", "requests?after=0")

    def status(self, proxy_id):
        return {proxy["id"]: proxy["status"] for proxy in self.control("GET", "proxies")}.get(proxy_id)


def first_line(process):
    """The first line of a program's output, awaited under a limit."""
    lines = queue.Queue()
    threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()
    return lines.get(timeout=START_LIMIT_SECONDS).strip()


@pytest.fixture
def simulator():
    command = [os.environ["GAAP_SIMULATOR"], "--listen", "127.0.0.1:0", "--proxies", "3", "--destroy-duration", "50ms"]
    command += ["--secret-id", SECRET_ID, "--secret-key", SECRET_KEY]
    command += ["--account", f"{OTHER_ID}:{OTHER_KEY}:{OTHER_UIN}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = first_line(process)
        assert line.startswith("listening on http://127.0.0.1:"), line
        yield Simulator(line.removeprefix("listening on "))
    finally:
        process.terminate()
        try:
            ended = process.wait(timeout=STOP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            process.stdout.close()
    assert ended == 0, f"the simulator ended with {ended} on SIGTERM"


class Clients:
    """Makes SDK clients for one simulator."""

    def __init__(self, simulator, method):
        self.simulator = simulator
        self.method = method

    def profile(self, **members):
        http = HttpProfile(protocol="http", endpoint=self.simulator.address, reqMethod=self.method, reqTimeout=10)
        return ClientProfile(signMethod="TC3-HMAC-SHA256", httpProfile=http, language="en-US", **members)

    def gaap(self, secret_id=SECRET_ID, secret_key=SECRET_KEY, token=None, **members):
        key = credential.Credential(secret_id, secret_key, token)
        return gaap_client.GaapClient(key, "", self.profile(**members))

    def sts(self, secret_id=SECRET_ID, secret_key=SECRET_KEY):
        return sts_client.StsClient(credential.Credential(secret_id, secret_key), "ap-guangzhou", self.profile())


@pytest.fixture(params=["POST", "GET"])
def clients(simulator, request):
    """SDK clients, once with JSON bodies and once with signed query strings."""
    return Clients(simulator, request.param)


@pytest.fixture
def post_clients(simulator):
    """SDK clients with JSON bodies, for what does not depend on the form of the request."""
    return Clients(simulator, "POST")


def asked(kind, **members):
    """An SDK request model with its members set."""
    request = getattr(models, kind)()
    for name, value in members.items():
        assert hasattr(request, name), f"the SDK knows no {name}"
        setattr(request, name, value)
    return request
