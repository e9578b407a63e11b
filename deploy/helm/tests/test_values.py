"""Wrong values are refused before anything is installed, each with a sentence that says what is expected."""

import json
import unittest

from rendering import CHART, Refused, flags, helm, read_yaml, render

URL = "a URL of scheme and host only"
REFUSED = [
    (
        {"replicaCount": 2, "leaderElection.enabled": False},
        "/replicaCount",
        "0 or 1, because leaderElection.enabled is false",
    ),
    # The default of two replicas counts as well.
    ({"leaderElection.enabled": False}, "/replicaCount", "0 or 1, because leaderElection.enabled is false"),
    ({"replicaCount": -1}, "/replicaCount", "got -1, want 0"),
    ({"replicaCount": "one"}, "/replicaCount", "got string, want integer"),
    ({"replicas": 1}, "", "additional properties 'replicas' not allowed"),
    ({"image.name": "x"}, "/image", "additional properties 'name' not allowed"),
    ({"leaderElection.enabled": "yes"}, "/leaderElection/enabled", "got string, want boolean"),
    ({"leaderElection.leaseName": "x"}, "/leaderElection", "additional properties 'leaseName' not allowed"),
    ({"podDisruptionBudget.minAvailable": 1}, "/podDisruptionBudget", "additional properties 'minAvailable' not"),
    ({"metrics.serviceMonitor.enabled": 1}, "/metrics/serviceMonitor/enabled", "got number, want boolean"),
    ({"networkPolicy.egressPorts": [0]}, "/networkPolicy/egressPorts/0", "got 0, want 1"),
    ({"networkPolicy.egressPorts": ["https"]}, "/networkPolicy/egressPorts/0", "got string, want integer"),
    ({"priorityClassName": "Very High"}, "/priorityClassName", "the name of a Kubernetes object"),
    ({"image.repository": "team/gaap:1.0"}, "/image/repository", "an image name without tag"),
    ({"image.repository": ""}, "/image/repository", "an image name without tag or digest"),
    ({"image.repository": f"team/gaap@sha256:{'0' * 64}"}, "/image/repository", "an image name without tag or digest"),
    ({"image.tag": 1.2}, "/image/tag", "got number, want string"),
    ({"image.tag": "a b"}, "/image/tag", "an image tag such as 0.1.0"),
    ({"image.digest": "sha256:abc"}, "/image/digest", "sha256: and 64 hexadecimal digits"),
    ({"image.pullPolicy": "Sometimes"}, "/image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"),
    ({"credentials.existingSecret": "My Secret"}, "/credentials/existingSecret", "the name of a Kubernetes object"),
    ({"credentials.secretKey": "x"}, "/credentials", "additional properties 'secretKey' not allowed"),
    ({"cloud.endpoint": "gaap.tencentcloudapi.com"}, "/cloud/endpoint", URL),
    ({"cloud.endpoint": "ftp://gaap.tencentcloudapi.com"}, "/cloud/endpoint", URL),
    ({"cloud.endpoint": "https://gaap.tencentcloudapi.com/v1"}, "/cloud/endpoint", URL),
    ({"cloud.endpoint": "https://me@gaap.tencentcloudapi.com"}, "/cloud/endpoint", URL),
    ({"cloud.stsEndpoint": "sts"}, "/cloud/stsEndpoint", URL),
    ({"cloud.endpoint": "http://sim:1"}, "/cloud/endpoint", "needs cloud.allowInsecureEndpoint=true"),
    ({"cloud.stsEndpoint": "http://sim:1"}, "/cloud/stsEndpoint", "needs cloud.allowInsecureEndpoint=true"),
    ({"watchNamespaces": ["Games"]}, "/watchNamespaces/0", "the name of a namespace"),
    ({"watchNamespaces": ["a", "a"]}, "/watchNamespaces", "items at 0 and 1 are equal"),
    ({"watchNamespaces": "games"}, "/watchNamespaces", "got string, want array"),
    ({"serviceAccount.create": False}, "/serviceAccount/name", "because serviceAccount.create is false"),
    ({"logFormat": "xml"}, "/logFormat", "'text', 'json'"),
    ({"extraArgs": ["resync"]}, "/extraArgs/0", "one flag of the operator with its value"),
    ({"resources.limit.memory": "1Gi"}, "/resources", "additional properties 'limit' not allowed"),
    ({"crds.keep": "yes"}, "/crds/keep", "got string, want boolean"),
]


class Schema(unittest.TestCase):
    def test_a_wrong_value_is_refused_with_its_place_and_what_is_expected(self):
        for values, place, sentence in REFUSED:
            with self.subTest(values=values):
                with self.assertRaises(Refused) as caught:
                    render(values=values)
                self.assertIn(f"at '{place}'", str(caught.exception))
                self.assertIn(sentence, str(caught.exception))

    def test_good_neighbours_of_refused_values_are_accepted(self):
        for values in (
            {"replicaCount": 1},
            {"replicaCount": 3},
            {"replicaCount": 1, "leaderElection.enabled": False},
            {"replicaCount": 0, "leaderElection.enabled": False},
            {"image.repository": "registry.example.com:5000/team/gaap", "image.tag": "1.2"},
            {"cloud.endpoint": "https://gaap.intl.tencentcloudapi.com"},
            {"cloud.endpoint": "https://gaap.example.com:8443/"},
            {"cloud.endpoint": "http://sim:1", "cloud.allowInsecureEndpoint": True},
            {"serviceAccount": {"create": False, "name": "robot"}},
            {"global": {"of": "a parent chart"}},
        ):
            with self.subTest(values=values):
                self.assertTrue(render(values=values))

    def test_the_schema_knows_each_value_and_no_other(self):
        (values,) = read_yaml([(CHART / "values.yaml").read_text()])
        schema = json.loads((CHART / "values.schema.json").read_text())

        def compare(values, schema, path):
            known = set(schema["properties"]) - {"global"}
            self.assertEqual(set(values), known, f"values.yaml and values.schema.json differ below '{path}'")
            self.assertIs(schema["additionalProperties"], False, path)
            for key in known:
                # Below `resources` the schema knows more than the defaults use.
                if "properties" in schema["properties"][key] and key != "resources":
                    compare(values[key], schema["properties"][key], f"{path}/{key}")

        compare(values, schema, "")


class Notes(unittest.TestCase):
    """The text after an install: the last moment at which a user can be told what is still missing."""

    def notes(self, **values):
        settings = flags({path.replace("__", "."): value for path, value in values.items()})
        text = helm("install", "edge", CHART, "--namespace", "operators", "--dry-run=client", *settings)
        return text.split("NOTES:\n", 1)[1]

    def test_an_install_without_replicas_says_that_nothing_runs(self):
        self.assertIn("replicaCount is 0: no operator runs", self.notes(replicaCount=0))
        self.assertNotIn("kubectl -n operators get pods", self.notes(replicaCount=0))
        self.assertNotIn("replicaCount is 0", self.notes())
        self.assertIn("kubectl -n operators get pods", self.notes())

    def test_an_install_says_how_many_run_and_how_to_see_which_one_acts(self):
        for count, sentence in ((1, "1 operator pod"), (2, "2 operator pods, of which one acts"), (3, "3 operator pods")):
            notes = self.notes(replicaCount=count)
            self.assertIn(sentence, notes)
            self.assertEqual("get lease gaap-operator" in notes, count > 1)
            self.assertIn("helm test edge -n operators", notes)
        self.assertNotIn("operator pod", self.notes(replicaCount=0))

    def test_an_install_without_a_secret_says_how_to_make_one(self):
        self.assertIn("credentials.existingSecret is empty", self.notes())
        named = self.notes(credentials__existingSecret="tencent")
        self.assertNotIn("credentials.existingSecret is empty", named)
        self.assertIn("kubectl create secret generic tencent -n operators", named)

    def test_an_install_of_the_unpublished_image_says_so(self):
        self.assertIn("no image is published", self.notes())
        self.assertNotIn("no image is published", self.notes(image__repository="registry.example.com/gaap"))

    def test_an_install_whose_end_would_delete_the_resources_says_so(self):
        self.assertIn('"helm uninstall" deletes', self.notes(crds__keep=False))
        self.assertNotIn('"helm uninstall" deletes', self.notes())


if __name__ == "__main__":
    unittest.main()
