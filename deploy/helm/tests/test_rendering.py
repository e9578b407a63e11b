"""What an install of the chart puts into a cluster, as facts about the rendered objects."""

import re
import unittest

from rendering import CHART, REPOSITORY, Refused, flags, helm, of_kind, only, read_yaml, render

# The least rights, written a second time on purpose: a verb added to the chart must be added here, in view.
RULES = [
    {"apiGroups": ["gaap-operator.io"], "resources": ["gaapproxies"], "verbs": ["get", "list", "watch", "patch"]},
    {"apiGroups": ["gaap-operator.io"], "resources": ["gaapproxies/status"], "verbs": ["patch"]},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
]
LEASE_RULES = [
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["gaap-operator"],
        "verbs": ["get", "list", "watch", "update"],
    },
]
LEASE_ROLE = "edge-leader-election"
OWN_POD_ROLE = "edge-own-pod"
DIGEST = "sha256:" + "0123456789abcdef" * 4

# Every value set away from its default at once: whatever goes wrong only in company goes wrong here.
EVERYTHING = {
    "image": {"repository": "registry.example.com:5000/team/gaap", "tag": "1.2", "digest": DIGEST, "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "replicaCount": 3,
    "credentials.existingSecret": "tencent",
    "cloud": {
        "endpoint": "http://127.0.0.1:8443",
        "stsEndpoint": "https://sts.example.com",
        "allowInsecureEndpoint": True,
        "caBundleConfigMap": "company-ca",
    },
    "watchNamespaces": ["games", "shops"],
    "serviceAccount": {"create": False, "name": "robot"},
    "logFormat": "json",
    "extraArgs": ["--resync=30m"],
    "extraEnv": [{"name": "RUST_LOG", "value": "debug"}],
    "resources": {"limits": {"memory": "1Gi"}},
    "podAnnotations": {"example.com/a": "1"},
    "podLabels": {"example.com/b": "2"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "leaderElection.enabled": True,
    "podDisruptionBudget.enabled": True,
    "metrics.serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {"enabled": True, "egressPorts": [443]},
    "crds": {"enabled": True, "keep": False},
}


def pod(objects):
    return only(objects, "Deployment")["spec"]["template"]["spec"]


def container(objects):
    (one,) = pod(objects)["containers"]
    return one


def watching(objects, kind):
    """Roles or bindings for the resources, not for the Lease and the operator's own pod."""
    return [each for each in of_kind(objects, kind) if each["metadata"]["name"] not in (LEASE_ROLE, OWN_POD_ROLE)]


def spec_of(objects, kind):
    return only(objects, kind)["spec"]


class Lint(unittest.TestCase):
    def test_lint_finds_nothing_with_defaults_and_with_every_value_set(self):
        for values in ({}, EVERYTHING):
            with self.subTest(values=list(values)):
                self.assertIn("0 chart(s) failed", helm("lint", "--strict", CHART, *flags(values)))


class Names(unittest.TestCase):
    def test_deployment_service_account_and_roles_are_named_after_the_release(self):
        objects = render(release="blue")
        for kind in ("Deployment", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"):
            self.assertEqual(only(objects, kind)["metadata"]["name"], "blue")
        self.assertEqual(pod(objects)["serviceAccountName"], "blue")

    def test_two_releases_in_one_namespace_share_no_object_but_the_definition(self):
        def keys(release):
            return {
                (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
                for each in render(release=release)
                if each["kind"] != "CustomResourceDefinition"
            }

        self.assertFalse(keys("blue") & keys("green"))

    def test_a_pod_belongs_to_its_own_release_only(self):
        objects = render(release="blue")
        selector = only(objects, "Deployment")["spec"]["selector"]["matchLabels"]
        labels = only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
        self.assertLessEqual(selector.items(), labels.items())
        self.assertEqual(only(objects, "Service")["spec"]["selector"], selector)
        self.assertEqual(selector["app.kubernetes.io/instance"], "blue")


class Permissions(unittest.TestCase):
    def test_all_namespaces_are_watched_with_one_cluster_role_of_the_least_verbs(self):
        objects = render()
        self.assertEqual(only(objects, "ClusterRole")["rules"], RULES)
        self.assertFalse(watching(objects, "Role") + watching(objects, "RoleBinding"))
        self.assertFalse([each for each in container(objects)["args"] if "watch-namespace" in each])

    def test_named_namespaces_give_a_role_in_each_and_no_cluster_role(self):
        objects = render(values={"watchNamespaces": ["games", "shops"]})
        self.assertFalse(of_kind(objects, "ClusterRole") + of_kind(objects, "ClusterRoleBinding"))
        self.assertEqual({each["metadata"]["namespace"] for each in watching(objects, "Role")}, {"games", "shops"})
        for role in watching(objects, "Role"):
            self.assertEqual(role["rules"], RULES)
        for binding in watching(objects, "RoleBinding"):
            self.assertEqual(binding["roleRef"]["kind"], "Role")
        self.assertEqual({each["metadata"]["namespace"] for each in watching(objects, "RoleBinding")}, {"games", "shops"})
        watched = [each for each in container(objects)["args"] if each.startswith("--watch-namespace")]
        self.assertEqual(watched, ["--watch-namespace=games", "--watch-namespace=shops"])

    def test_every_binding_names_the_account_of_the_pod_in_the_namespace_of_the_release(self):
        for values in ({}, {"watchNamespaces": ["games"]}, {"serviceAccount": {"create": False, "name": "robot"}}):
            with self.subTest(values=values):
                objects = render(values=values)
                account = pod(objects)["serviceAccountName"]
                bindings = of_kind(objects, "ClusterRoleBinding") + of_kind(objects, "RoleBinding")
                self.assertTrue(bindings)
                for binding in bindings:
                    subject = {"kind": "ServiceAccount", "name": account, "namespace": "operators"}
                    self.assertEqual(binding["subjects"], [subject])

    def test_the_lease_is_granted_by_name_in_the_releases_namespace_only(self):
        for values in ({}, {"watchNamespaces": ["games", "operators"]}):
            with self.subTest(values=values):
                objects = render(values=values)
                (role,) = [each for each in of_kind(objects, "Role") if each["metadata"]["name"] == LEASE_ROLE]
                self.assertEqual((role["metadata"]["namespace"], role["rules"]), ("operators", LEASE_RULES))
                (binding,) = [each for each in of_kind(objects, "RoleBinding") if each["metadata"]["name"] == LEASE_ROLE]
                self.assertEqual(binding["roleRef"]["name"], LEASE_ROLE)
                self.assertEqual(binding["metadata"]["namespace"], "operators")
                names = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
                self.assertEqual(len(set(names)), len(names), "two objects of one name")

    def test_without_leader_election_nothing_is_granted_on_leases(self):
        objects = render(values={"leaderElection.enabled": False, "replicaCount": 1})
        self.assertFalse(of_kind(objects, "Role") + of_kind(objects, "RoleBinding"))
        self.assertNotIn("--leader-elect", container(objects)["args"])

    def test_only_the_operators_pod_gets_a_token(self):
        objects = render()
        self.assertIs(only(objects, "ServiceAccount")["automountServiceAccountToken"], False)
        self.assertIs(pod(objects)["automountServiceAccountToken"], True)

    def test_a_foreign_service_account_is_used_and_not_made(self):
        objects = render(values={"serviceAccount": {"create": False, "name": "robot"}})
        self.assertFalse(of_kind(objects, "ServiceAccount"))
        self.assertEqual(pod(objects)["serviceAccountName"], "robot")


class Definition(unittest.TestCase):
    def test_the_definition_is_the_generated_one_and_survives_an_uninstall(self):
        rendered = only(render(), "CustomResourceDefinition")
        (generated,) = read_yaml([(REPOSITORY / "crds/gaapproxies.yaml").read_text()])
        self.assertEqual(rendered["spec"], generated["spec"])
        self.assertEqual(rendered["metadata"]["name"], generated["metadata"]["name"])
        self.assertEqual(rendered["metadata"]["annotations"], {"helm.sh/resource-policy": "keep"})

    def test_the_definition_goes_with_the_release_only_when_asked_to(self):
        definition = only(render(values={"crds.keep": False}), "CustomResourceDefinition")
        self.assertNotIn("annotations", definition["metadata"])

    def test_no_definition_is_installed_when_switched_off(self):
        self.assertFalse(of_kind(render(values={"crds.enabled": False}), "CustomResourceDefinition"))

    def test_the_oldest_promised_kubernetes_is_accepted_and_an_older_one_refused(self):
        self.assertTrue(render(extra=("--kube-version", "1.33.0")))
        with self.assertRaisesRegex(Refused, r"requires kubeVersion: >=1\.33"):
            render(extra=("--kube-version", "1.32.9"))


class Pod(unittest.TestCase):
    def test_the_tag_is_the_charts_version_unless_named_and_a_digest_wins_over_both(self):
        repository = "registry.example.com:5000/team/gaap"
        for values, image in (
            ({"image.repository": repository}, f"{repository}:0.1.0"),
            ({"image.repository": repository, "image.tag": "1.2"}, f"{repository}:1.2"),
            ({"image.repository": repository, "image.tag": "1.2", "image.digest": DIGEST}, f"{repository}@{DIGEST}"),
        ):
            with self.subTest(values=values):
                self.assertEqual(container(render(values=values))["image"], image)

    def test_the_pod_meets_the_restricted_pod_security_level(self):
        spec = pod(render(values=EVERYTHING))
        security, own = spec["securityContext"], container(render(values=EVERYTHING))["securityContext"]
        self.assertIs(security["runAsNonRoot"], True)
        self.assertEqual((security["runAsUser"], security["runAsGroup"], security["fsGroup"]), (65532, 65532, 65532))
        self.assertEqual(security["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertIs(own["allowPrivilegeEscalation"], False)
        self.assertIs(own["readOnlyRootFilesystem"], True)
        self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
        for volume in spec["volumes"]:
            self.assertFalse(set(volume) - {"name", "secret", "configMap"}, "a kind of volume that restricted forbids")

    def test_without_leader_election_the_old_operator_ends_before_a_new_one_starts(self):
        objects = render(values={"leaderElection.enabled": False, "replicaCount": 1})
        self.assertEqual(spec_of(objects, "Deployment")["strategy"], {"type": "Recreate"})

    def test_the_secret_is_mounted_as_files_and_may_come_later(self):
        objects = render(values={"credentials.existingSecret": "tencent"})
        (volume,) = pod(objects)["volumes"]
        (mount,) = container(objects)["volumeMounts"]
        self.assertEqual(volume["secret"]["secretName"], "tencent")
        self.assertIs(volume["secret"]["optional"], True)
        self.assertEqual([item["key"] for item in volume["secret"]["items"]], ["secretId", "secretKey", "token"])
        self.assertEqual(volume["secret"]["defaultMode"], 0o440)
        self.assertEqual(mount["name"], volume["name"])
        self.assertIs(mount["readOnly"], True)
        self.assertNotIn("subPath", mount, "a subPath is never renewed")
        self.assertIn(f"--credentials-dir={mount['mountPath']}", container(objects)["args"])

    def test_without_a_secret_nothing_is_mounted_and_the_environment_counts(self):
        values = {"extraEnv": [{"name": "TENCENTCLOUD_SECRET_ID", "value": "id"}]}
        objects = render(values=values)
        self.assertNotIn("volumes", pod(objects))
        self.assertNotIn("volumeMounts", container(objects))
        self.assertFalse([each for each in container(objects)["args"] if "credentials" in each])
        self.assertEqual(container(objects)["env"][3:], values["extraEnv"])

    def test_the_operator_knows_its_own_pod_and_may_tell_events_of_it(self):
        known = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in container(render())["env"]}
        fields = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "POD_UID": "metadata.uid"}
        self.assertEqual(known, fields)
        for namespaces, needed in (([], False), (["operators", "games"], False), (["games"], True)):
            objects = render(values={"watchNamespaces": namespaces})
            roles = [each for each in of_kind(objects, "Role") if each["metadata"]["name"] == OWN_POD_ROLE]
            self.assertEqual(bool(roles), needed, namespaces)
            for role in roles:
                self.assertEqual(role["metadata"]["namespace"], "operators")
                rule = {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]}
                self.assertEqual(role["rules"], [rule])

    def test_the_cloud_settings_become_flags(self):
        objects = render(values=EVERYTHING)
        arguments = container(objects)["args"]
        for flag in (
            "--gaap-endpoint=http://127.0.0.1:8443",
            "--sts-endpoint=https://sts.example.com",
            "--allow-insecure-endpoint",
            "--log-format=json",
            "--resync=30m",
        ):
            self.assertIn(flag, arguments)
        (mount,) = [each for each in container(objects)["volumeMounts"] if each["name"] == "ca-bundle"]
        self.assertIn(f"--ca-bundle={mount['mountPath']}/ca.crt", arguments)

    def test_no_flag_overrides_a_default_of_the_operator_unasked(self):
        arguments = container(render())["args"]
        self.assertEqual(
            arguments,
            ["--leader-elect", "--metrics-bind-address=:8080", "--health-probe-bind-address=:8081", "--log-format=text"],
        )

    def test_probes_and_metrics_reach_the_ports_that_are_served(self):
        objects = render()
        ports = {port["name"]: port["containerPort"] for port in container(objects)["ports"]}
        self.assertEqual(ports, {"metrics": 8080, "health": 8081})
        probes = (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz"))
        for probe, path in probes:
            request = container(objects)[probe]["httpGet"]
            self.assertEqual((request["path"], ports[request["port"]]), (path, 8081))
        (port,) = only(objects, "Service")["spec"]["ports"]
        self.assertEqual(ports[port["targetPort"]], 8080)
        self.assertIs(only(objects, "Service")["spec"]["publishNotReadyAddresses"], True)

    def test_no_service_of_the_namespace_can_change_the_settings(self):
        self.assertIs(pod(render())["enableServiceLinks"], False)

    def test_no_replica_is_possible(self):
        objects = render(values={"replicaCount": 0})
        self.assertEqual(spec_of(objects, "Deployment")["replicas"], 0)
        self.assertFalse(of_kind(objects, "PodDisruptionBudget"))


class TwoReplicas(unittest.TestCase):
    """One acts, the other takes over: neither an update nor the draining of a node may end both."""

    def test_two_replicas_with_leader_election_are_the_default(self):
        objects = render()
        self.assertEqual(spec_of(objects, "Deployment")["replicas"], 2)
        self.assertIn("--leader-elect", container(objects)["args"])

    def test_an_update_ends_no_operator_before_a_new_one_is_ready(self):
        strategy = spec_of(render(), "Deployment")["strategy"]
        self.assertEqual(strategy, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}})

    def test_a_drain_ends_one_at_a_time_and_never_waits_for_one_that_is_not_ready(self):
        objects = render()
        budget = spec_of(objects, "PodDisruptionBudget")
        self.assertEqual((budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]), (1, "AlwaysAllow"))
        self.assertEqual(budget["selector"], spec_of(objects, "Deployment")["selector"])

    def test_a_budget_that_means_nothing_or_is_not_wanted_is_not_made(self):
        for values in ({"replicaCount": 1}, {"podDisruptionBudget.enabled": False}):
            self.assertFalse(of_kind(render(values=values), "PodDisruptionBudget"), values)

    def test_the_replicas_prefer_different_nodes_and_insist_on_nothing(self):
        objects = render()
        (spread,) = pod(objects)["topologySpreadConstraints"]
        self.assertEqual((spread["topologyKey"], spread["whenUnsatisfiable"]), ("kubernetes.io/hostname", "ScheduleAnyway"))
        self.assertEqual(spread["labelSelector"], spec_of(objects, "Deployment")["selector"])

    def test_the_container_has_limits_of_memory_and_none_of_cpu(self):
        resources = container(render())["resources"]
        self.assertEqual(set(resources["requests"]), {"cpu", "memory"})
        self.assertEqual(set(resources["limits"]), {"memory"})


class Monitoring(unittest.TestCase):
    def test_a_service_monitor_is_made_only_when_asked_for_and_finds_the_metrics_service(self):
        self.assertFalse(of_kind(render(), "ServiceMonitor"))
        wanted = {"metrics.serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}
        objects = render(values=wanted)
        monitor, service = only(objects, "ServiceMonitor"), only(objects, "Service")
        self.assertEqual(monitor["metadata"]["labels"]["release"], "prometheus")
        self.assertLessEqual(monitor["spec"]["selector"]["matchLabels"].items(), service["metadata"]["labels"].items())
        (endpoint,) = monitor["spec"]["endpoints"]
        self.assertEqual(endpoint["port"], service["spec"]["ports"][0]["name"])


class Network(unittest.TestCase):
    def policy(self, **values):
        options = {path.replace("__", "."): value for path, value in values.items()}
        return spec_of(render(values={"networkPolicy.enabled": True, **options}), "NetworkPolicy")

    def test_a_policy_is_made_only_when_asked_for(self):
        self.assertFalse(of_kind(render(), "NetworkPolicy"))

    def test_probes_and_metrics_come_in_and_dns_the_api_server_and_the_cloud_are_reached(self):
        policy = self.policy()
        self.assertEqual(policy["policyTypes"], ["Ingress", "Egress"])
        (entry,) = policy["ingress"]
        self.assertEqual({port["port"] for port in entry["ports"]}, {port["name"] for port in container(render())["ports"]})
        names, others = policy["egress"]
        self.assertEqual({(port["port"], port["protocol"]) for port in names["ports"]}, {(53, "UDP"), (53, "TCP")})
        self.assertEqual([port["port"] for port in others["ports"]], [443, 6443])

    def test_an_endpoint_brings_its_port_along(self):
        policy = self.policy(
            cloud__endpoint="http://sim.example.com:9000",
            cloud__stsEndpoint="http://sts.example.com",
            cloud__allowInsecureEndpoint=True,
            networkPolicy__egressPorts=[6443],
        )
        self.assertEqual({port["port"] for port in policy["egress"][1]["ports"]}, {80, 6443, 9000})

    def test_the_policy_holds_for_the_operator_and_for_the_pod_that_tests_it(self):
        objects = render(values={"networkPolicy.enabled": True}, tests=True)
        selector = spec_of(objects, "NetworkPolicy")["podSelector"]
        (expression,) = selector["matchExpressions"]
        for labels in (
            spec_of(objects, "Deployment")["template"]["metadata"]["labels"],
            only(objects, "Pod")["metadata"]["labels"],
        ):
            self.assertLessEqual(selector["matchLabels"].items(), labels.items())
            self.assertIn(labels[expression["key"]], expression["values"])


class Test(unittest.TestCase):
    """The pod of `helm test` proves something only if it is like the operator's."""

    def test_it_runs_the_check_with_all_that_the_operator_has(self):
        for values in ({}, EVERYTHING):
            with self.subTest(values=list(values)):
                objects = render(values=values, tests=True)
                tested, operated = only(objects, "Pod"), pod(objects)
                self.assertEqual(tested["metadata"]["annotations"]["helm.sh/hook"], "test")
                (own,), operator = tested["spec"]["containers"], container(objects)
                self.assertEqual(own["args"], ["check", *operator["args"]])
                for field in ("image", "imagePullPolicy", "env", "resources", "securityContext", "volumeMounts"):
                    self.assertEqual(own.get(field), operator.get(field), field)
                only_operator = {"containers", "topologySpreadConstraints", "terminationGracePeriodSeconds"}
                for field in set(operated) - only_operator:
                    self.assertEqual(tested["spec"].get(field), operated[field], field)
                self.assertEqual(tested["spec"]["restartPolicy"], "Never")

    def test_it_is_taken_for_no_pod_of_the_operator(self):
        objects = render(tests=True)
        labels = only(objects, "Pod")["metadata"]["labels"]
        selector = spec_of(objects, "Deployment")["selector"]["matchLabels"]
        self.assertFalse(selector.items() <= labels.items())


class Releases(unittest.TestCase):
    def test_an_old_and_a_new_kubernetes_get_the_same_objects(self):
        old = render(values=EVERYTHING, extra=("--kube-version", "1.33.0"), tests=True)
        modern = ("--kube-version", "1.37.2", "--api-versions", "monitoring.coreos.com/v1", "--api-versions", "policy/v1")
        self.assertEqual(old, render(values=EVERYTHING, extra=modern, tests=True))

    def test_what_the_catalogue_is_told_of_the_resource_is_true(self):
        (chart,) = read_yaml([(CHART / "Chart.yaml").read_text()])
        ((crd,), (example,)) = [
            read_yaml([f"list:\n{chart['annotations'][f'artifacthub.io/{name}']}"])[0]["list"]
            for name in ("crds", "crdsExamples")
        ]
        definition = only(render(), "CustomResourceDefinition")
        spec = definition["spec"]
        self.assertEqual(crd["name"], definition["metadata"]["name"])
        self.assertEqual((crd["kind"], crd["version"]), (spec["names"]["kind"], spec["versions"][0]["name"]))
        self.assertEqual((example["apiVersion"], example["kind"]), (f"{spec['group']}/{crd['version']}", crd["kind"]))

    def test_the_charts_appversion_is_the_version_of_the_program(self):
        (chart,) = read_yaml([(CHART / "Chart.yaml").read_text()])
        program = re.search(r'^version = "([^"]+)"', (REPOSITORY / "Cargo.toml").read_text(), flags=re.MULTILINE)
        self.assertEqual(chart["appVersion"], program[1])


if __name__ == "__main__":
    unittest.main()
