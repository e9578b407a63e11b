"""The official Python SDK against the simulator, unchanged."""

import time

import pytest
from conftest import OTHER_ID, OTHER_KEY, OTHER_UIN, SECRET_ID, SECRET_KEY, UIN, asked
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.gaap.v20180529 import errorcodes, models
from tencentcloud.sts.v20180813 import models as sts_models

FIRST = "link-sim00001"
LIMIT_SECONDS = 10


def destroy(client, *ids, force=0, token=None):
    return client.DestroyProxies(asked("DestroyProxiesRequest", ProxyIds=list(ids), Force=force, ClientToken=token))


def describe(client, **members):
    return client.DescribeProxies(asked("DescribeProxiesRequest", **members))


def refused(call, *arguments, **members):
    """The exception that a call is answered with."""
    with pytest.raises(TencentCloudSDKException) as caught:
        call(*arguments, **members)
    return caught.value


def eventually(condition):
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def test_a_description_holds_every_documented_member(clients):
    answer = describe(clients.gaap(), Limit=2)
    assert answer.TotalCount == 3
    assert [proxy.ProxyId for proxy in answer.ProxySet] == [proxy.InstanceId for proxy in answer.InstanceSet]
    assert len(answer.ProxySet) == 2 and answer.RequestId
    proxy = describe(clients.gaap(), ProxyIds=[FIRST]).ProxySet[0]
    assert (proxy.ProxyId, proxy.Status, proxy.AccessRegion) == (FIRST, "RUNNING", "Singapore")
    may_be_null = {"GroupId", "PolicyId", "ModifyConfigTime"}
    unset = {name for name in vars(proxy) if getattr(proxy, name) is None}
    assert {name.lstrip("_") for name in unset} == may_be_null, "the SDK's model and the simulator's answer agree"


def test_a_proxy_is_destroyed_and_then_gone(clients):
    client = clients.gaap()
    answer = destroy(client, FIRST)
    assert (answer.InvalidStatusInstanceSet, answer.OperationFailedInstanceSet) == ([], [])
    eventually(lambda: describe(client, ProxyIds=[FIRST]).TotalCount == 0)
    assert refused(destroy, client, FIRST).code == "ResourceNotFound"


def test_a_repeated_token_is_a_duplicated_request_with_a_request_id(clients):
    client = clients.gaap()
    token = "token with blanks + plus / slash = equals & ampersand"
    destroy(client, FIRST, token=token)
    error = refused(destroy, client, FIRST, token=token)
    assert error.code == "FailedOperation.DuplicatedRequest"
    assert error.message == "Duplicate request, check the ClientToken"
    entries = clients.simulator.requests()
    assert [entry["clientToken"] for entry in entries] == [token, token]
    assert entries[1]["requestId"] == error.requestId
    assert [entry["acceptedIds"] for entry in entries] == [[FIRST], []]


def test_both_sets_arrive_per_id(clients):
    ids = [FIRST, "link-sim00002", "link-sim00003"]
    clients.simulator.fault("partial-sets", parameters={"invalid": [ids[0]], "failed": [ids[1]]})
    answer = destroy(clients.gaap(), *ids)
    assert answer.InvalidStatusInstanceSet == [ids[0]]
    assert answer.OperationFailedInstanceSet == [ids[1]]
    assert clients.simulator.requests()[0]["acceptedIds"] == [ids[2]]


def test_force_and_groups_are_respected(clients):
    clients.simulator.add("link-bound", bound=True)
    clients.simulator.add("link-grouped", groupId="lg-1")
    client = clients.gaap()
    assert refused(destroy, client, "link-bound").code == "FailedOperation.RealServerAlreadyBound"
    assert refused(destroy, client, FIRST, "link-grouped").code == "FailedOperation.BelongDifferentGroup"
    assert destroy(client, "link-bound", force=1).InvalidStatusInstanceSet == []


def test_a_proxy_younger_than_two_minutes_is_refused(clients):
    clients.simulator.add("link-young", ageSeconds=60)
    assert destroy(clients.gaap(), "link-young").InvalidStatusInstanceSet == ["link-young"]


def test_the_old_name_of_the_id_list_works(clients):
    request = asked("DestroyProxiesRequest", InstanceIds=[FIRST], Force=0)
    assert clients.gaap().DestroyProxies(request).InvalidStatusInstanceSet == []


def test_a_proxy_is_created_closed_and_opened(clients):
    clients.simulator.settings(transitionDurationMs=20)
    client = clients.gaap()
    name = "通道 ü+%&= ~*'()"
    tag = models.TagPair()
    tag.TagKey, tag.TagValue = "team", "games & more"
    created = client.CreateProxy(
        asked("CreateProxyRequest", ProjectId=0, ProxyName=name, AccessRegion="Hongkong", Bandwidth=10, Concurrent=2,
              RealServerRegion="Frankfurt", TagSet=[tag])
    )
    proxy_id = created.InstanceId
    status = lambda: client.DescribeProxiesStatus(
        asked("DescribeProxiesStatusRequest", ProxyIds=[proxy_id])).InstanceStatusSet[0].Status
    clients.simulator.settings(rateLimit=0)
    eventually(lambda: status() == "RUNNING")
    assert describe(client, TagSet=[tag]).ProxySet[0].ProxyName == name
    assert client.CloseProxies(asked("CloseProxiesRequest", ProxyIds=[proxy_id])).InvalidStatusInstanceSet == []
    eventually(lambda: status() == "CLOSED")
    assert client.CloseProxies(asked("CloseProxiesRequest", ProxyIds=[proxy_id])).InvalidStatusInstanceSet == [proxy_id]
    assert client.OpenProxies(asked("OpenProxiesRequest", ProxyIds=[proxy_id])).OperationFailedInstanceSet == []
    eventually(lambda: status() == "RUNNING")


def test_filters_pages_and_order(clients):
    client = clients.gaap()
    region = models.Filter()
    region.Name, region.Values = "AccessRegion", ["Singapore", "Hongkong"]
    page = describe(client, Filters=[region], Offset=1, Limit=1, OrderField="proxy_id", Order="asc")
    assert (page.TotalCount, [proxy.ProxyId for proxy in page.ProxySet]) == (3, ["link-sim00002"])
    both = refused(describe, client, Filters=[region], ProxyIds=[FIRST])
    assert both.code == "InvalidParameterValue"
    assert refused(describe, client, Limit=101).code == "InvalidParameterValue"


def test_the_caller_learns_its_account(clients):
    request = sts_models.GetCallerIdentityRequest()
    assert clients.sts().GetCallerIdentity(request).AccountId == UIN
    assert clients.sts(OTHER_ID, OTHER_KEY).GetCallerIdentity(request).AccountId == OTHER_UIN


def test_an_account_sees_only_its_own_proxies(clients):
    clients.simulator.add("link-theirs", account=OTHER_UIN)
    assert describe(clients.gaap()).TotalCount == 3
    other = describe(clients.gaap(OTHER_ID, OTHER_KEY))
    assert [proxy.ProxyId for proxy in other.ProxySet] == ["link-theirs"]


def test_wrong_credentials_are_told_apart(clients):
    assert refused(describe, clients.gaap(secret_key="wrong")).code == "AuthFailure.SignatureFailure"
    assert refused(describe, clients.gaap(secret_id="AKIDNOBODY")).code == "AuthFailure.SecretIdNotFound"
    assert refused(describe, clients.gaap(token="unasked")).code == "AuthFailure.TokenFailure"
    codes = [entry["code"] for entry in clients.simulator.requests()]
    assert codes == ["AuthFailure.SignatureFailure", "AuthFailure.SecretIdNotFound", "AuthFailure.TokenFailure"]


def test_a_temporary_key_works_with_its_token_only(clients):
    expires = int(time.time()) + 600
    key = {"secretId": "AKIDTEMPORARY", "secretKey": "temporary", "uin": UIN, "token": "session", "expires": expires}
    clients.simulator.control("POST", "credentials", key)
    assert describe(clients.gaap("AKIDTEMPORARY", "temporary", "session")).TotalCount == 3
    assert refused(describe, clients.gaap("AKIDTEMPORARY", "temporary")).code == "AuthFailure.TokenFailure"


def test_a_clock_that_is_off_by_more_than_five_minutes_is_refused(clients):
    clients.simulator.settings(clockSkewSeconds=240)
    assert describe(clients.gaap()).TotalCount == 3
    for seconds in (400, -400):
        clients.simulator.settings(clockSkewSeconds=seconds)
        assert refused(describe, clients.gaap()).code == "AuthFailure.SignatureExpire"


def test_an_unsigned_payload_is_accepted(post_clients):
    client = post_clients.gaap()
    client.profile.unsignedPayload = True
    assert describe(client).TotalCount == 3


def test_the_sdk_sends_wrong_types_and_the_service_refuses_them(post_clients):
    client = post_clients.gaap()
    for force in ("1", True):
        assert refused(destroy, client, FIRST, force=force).code == "InvalidParameter"
    assert refused(destroy, client, FIRST, force=None).code == "MissingParameter"
    assert refused(destroy, client, FIRST, force=2).code == "InvalidParameterValue"


def test_the_rate_limit_answers_inside_http_200(post_clients):
    client = post_clients.gaap()
    post_clients.simulator.settings(rateLimit=1)
    # However slow the machine, two of these fall into one second.
    deadline = time.monotonic() + LIMIT_SECONDS
    codes = set()
    while "RequestLimitExceeded" not in codes:
        assert time.monotonic() < deadline, "the limit was never hit"
        try:
            describe(client)
        except TencentCloudSDKException as error:
            codes.add(error.code)
    assert codes == {"RequestLimitExceeded"}


def test_every_code_the_sdk_names_reaches_the_caller(post_clients):
    post_clients.simulator.settings(rateLimit=0)
    client = post_clients.gaap()
    codes = sorted({value for name, value in vars(errorcodes).items() if name.isupper() and isinstance(value, str)})
    assert len(codes) > 50
    for code in codes:
        post_clients.simulator.fault("error", action="DestroyProxies", parameters={"code": code})
        error = refused(destroy, client, FIRST)
        assert (error.code, bool(error.message), bool(error.requestId)) == (code, True, True)
    assert post_clients.simulator.status(FIRST) == "RUNNING"


@pytest.mark.parametrize(
    ("kind", "code", "destroyed"),
    [
        ("request-lost", "ClientNetworkError", False),
        ("reset-before-answer", "ClientNetworkError", False),
        ("answer-lost", "ClientNetworkError", True),
        ("http-error", "ServerNetworkError", False),
        ("http-error-after-commit", "ServerNetworkError", True),
    ],
)
def test_transport_faults_look_to_the_sdk_like_the_real_thing(post_clients, kind, code, destroyed):
    post_clients.simulator.fault(kind, action="DestroyProxies")
    error = refused(destroy, post_clients.gaap(), FIRST)
    assert (error.code, error.requestId) == (code, None)
    assert bool(post_clients.simulator.requests()[0]["acceptedIds"]) == destroyed


def test_messages_are_chinese_by_default(post_clients):
    client = post_clients.gaap()
    client.profile.language = "zh-CN"
    assert refused(destroy, client, "link-none").message.startswith("资源不存在")
    client.profile.language = "en-US"
    assert refused(destroy, client, "link-none").message.startswith("The resource does not exist")


def test_the_key_of_the_tests_is_the_simulators_key(simulator):
    keys = [key["secretId"] for key in simulator.control("GET", "credentials")]
    assert keys == [SECRET_ID, OTHER_ID]
    assert SECRET_KEY not in str(simulator.control("GET", "credentials"))
