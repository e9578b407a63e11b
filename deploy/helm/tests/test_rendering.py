"""What an install of the chart puts into a cluster, as facts about the rendered objects."""

import unittest

from rendering import CHART, REPOSITORY, Refused, flags, helm, of_kind, only, read_yaml, render

# The least rights, written a second time on purpose: a verb added to the chart must be added here, in view.
RULES = [
    {"apiGroups": ["gaap-operator.io"], "resources": ["gaapproxies"], "verbs": ["get", "list", "watch", "patch"]},
    {"apiGroups": ["gaap-operator.io"], "resources": ["gaapproxies/status"], "verbs": ["patch"]},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
]
DIGEST = "sha256:" + "0123456789abcdef" * 4

# Every value set away from its default at once: whatever goes wrong only in company goes wrong here.
EVERYTHING = {
    "image": {"repository": "registry.example.com:5000/team/gaap", "tag": "1.2", "digest": DIGEST, "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "replicaCount": 0,
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
    "crds": {"enabled": True, "keep": False},
}


def pod(objects):
    return only(objects, "Deployment")["spec"]["template"]["spec"]


def container(objects):
    (one,) = pod(objects)["containers"]
    return one


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
        self.assertFalse(of_kind(objects, "Role") + of_kind(objects, "RoleBinding"))
        self.assertFalse([each for each in container(objects)["args"] if "watch-namespace" in each])

    def test_named_namespaces_give_a_role_in_each_and_no_cluster_role(self):
        objects = render(values={"watchNamespaces": ["games", "shops"]})
        self.assertFalse(of_kind(objects, "ClusterRole") + of_kind(objects, "ClusterRoleBinding"))
        self.assertEqual({each["metadata"]["namespace"] for each in of_kind(objects, "Role")}, {"games", "shops"})
        for role in of_kind(objects, "Role"):
            self.assertEqual(role["rules"], RULES)
        for binding in of_kind(objects, "RoleBinding"):
            self.assertEqual(binding["roleRef"]["kind"], "Role")
        self.assertEqual({each["metadata"]["namespace"] for each in of_kind(objects, "RoleBinding")}, {"games", "shops"})
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

    def test_the_old_operator_ends_before_a_new_one_starts(self):
        self.assertEqual(only(render(), "Deployment")["spec"]["strategy"], {"type": "Recreate"})

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
        self.assertEqual(container(objects)["env"], values["extraEnv"])

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
            arguments, ["--metrics-bind-address=:8080", "--health-probe-bind-address=:8081", "--log-format=text"]
        )

    def test_probes_and_metrics_reach_the_ports_that_are_served(self):
        objects = render()
        ports = {port["name"]: port["containerPort"] for port in container(objects)["ports"]}
        self.assertEqual(ports, {"metrics": 8080, "health": 8081})
        for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
            request = container(objects)[probe]["httpGet"]
            self.assertEqual((request["path"], ports[request["port"]]), (path, 8081))
        (port,) = only(objects, "Service")["spec"]["ports"]
        self.assertEqual(ports[port["targetPort"]], 8080)
        self.assertIs(only(objects, "Service")["spec"]["publishNotReadyAddresses"], True)

    def test_no_service_of_the_namespace_can_change_the_settings(self):
        self.assertIs(pod(render())["enableServiceLinks"], False)

    def test_no_replica_is_possible(self):
        self.assertEqual(only(render(values={"replicaCount": 0}), "Deployment")["spec"]["replicas"], 0)


if __name__ == "__main__":
    unittest.main()
