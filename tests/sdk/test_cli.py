"""The official command line tool, tccli, against the simulator, unchanged."""

import json
import os
import subprocess

import pytest
from conftest import SECRET_ID, SECRET_KEY, UIN

FIRST = "link-sim00001"
LIMIT_SECONDS = 60


@pytest.fixture
def tccli(simulator):
    def run(*arguments, secret_key=SECRET_KEY):
        keys = {"TENCENTCLOUD_SECRET_ID": SECRET_ID, "TENCENTCLOUD_SECRET_KEY": secret_key}
        command = [os.environ["GAAP_TCCLI"], *arguments, "--endpoint", simulator.url, "--region", "ap-guangzhou"]
        environment = {**os.environ, **keys}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS)

    return run


def told(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_proxy_is_described_and_destroyed(tccli, simulator):
    ids = ["--ProxyIds", json.dumps([FIRST])]
    assert told(tccli("gaap", "DescribeProxies", *ids))["ProxySet"][0]["Status"] == "RUNNING"
    statuses = told(tccli("gaap", "DescribeProxiesStatus", *ids))["InstanceStatusSet"]
    assert statuses == [{"InstanceId": FIRST, "Status": "RUNNING"}]
    answer = told(tccli("gaap", "DestroyProxies", "--Force", "0", *ids))
    assert (answer["InvalidStatusInstanceSet"], answer["OperationFailedInstanceSet"]) == ([], [])
    assert simulator.requests()[-1]["acceptedIds"] == [FIRST]
    assert "_CLI_" in simulator.requests()[-1]["client"]


def test_ids_can_be_given_unfolded(tccli, simulator):
    unfolded = ["--cli-unfold-argument", "--Force", "1", "--ProxyIds", FIRST, "link-sim00002"]
    told(tccli("gaap", "DestroyProxies", *unfolded))
    assert simulator.requests()[-1]["ids"] == [FIRST, "link-sim00002"]


def test_an_error_is_printed_with_code_message_and_request_id(tccli, simulator):
    result = tccli("gaap", "DestroyProxies", "--Force", "0", "--ProxyIds", '["link-none"]')
    assert result.returncode != 0
    assert "code:ResourceNotFound" in result.stderr and "资源不存在" in result.stderr
    assert simulator.requests()[-1]["requestId"] in result.stderr


def test_a_wrong_key_is_refused(tccli):
    result = tccli("gaap", "DescribeProxies", secret_key="wrong")
    assert result.returncode != 0 and "AuthFailure.SignatureFailure" in result.stderr


def test_the_account_is_told_by_sts(tccli):
    assert told(tccli("sts", "GetCallerIdentity"))["AccountId"] == UIN


def test_a_missing_force_is_refused_by_the_tool_itself(tccli, simulator):
    result = tccli("gaap", "DestroyProxies", "--ProxyIds", json.dumps([FIRST]))
    assert result.returncode == 252
    assert simulator.requests() == []
