"""The files beside the chart: samples, plain manifests, Dockerfile."""

import json
import re
import unittest

from rendering import REPOSITORY, documents, of_kind, only, render


class Samples(unittest.TestCase):
    def test_the_samples_show_destroy_force_and_retain_each_on_a_proxy_of_its_own(self):
        shown = {}
        for path in sorted((REPOSITORY / "deploy/samples").glob("*.yaml")):
            (sample,) = documents(path.read_text())
            self.assertEqual((sample["apiVersion"], sample["kind"]), ("gaap-operator.io/v1alpha1", "GaapProxy"))
            self.assertEqual(sample["metadata"], {"name": path.stem}, "no namespace: the user chooses it")
            shown[path.stem] = sample["spec"]
        for name, spec in {
            "edge-sg": {"proxyId": "link-sim00001"},
            "forced": {"proxyId": "link-sim00002", "force": True},
            "kept": {"proxyId": "link-sim00003", "deletionPolicy": "Retain"},
        }.items():
            self.assertEqual(shown[name], spec)
        ids = [spec["proxyId"] for spec in shown.values()]
        self.assertEqual(len(set(ids)), len(ids), "two samples that name one proxy would block each other")


class Manifests(unittest.TestCase):
    def setUp(self):
        self.objects = []
        # In the order in which `kubectl apply -f FOLDER` takes them.
        for path in sorted((REPOSITORY / "deploy/manifests").glob("*.yaml")):
            self.objects += documents(path.read_text())

    def test_the_namespace_comes_before_what_stands_in_it(self):
        kinds = [each["kind"] for each in self.objects]
        first = next(i for i, each in enumerate(self.objects) if "namespace" in each["metadata"])
        self.assertLess(kinds.index("Namespace"), first)
        self.assertEqual(only(self.objects, "Namespace")["metadata"]["name"], "gaap-operator-system")

    def test_every_object_stands_in_the_namespace_that_is_made(self):
        used = {each["metadata"]["namespace"] for each in self.objects if "namespace" in each["metadata"]}
        self.assertEqual(used, {"gaap-operator-system"})

    def test_no_object_looks_like_part_of_a_helm_release(self):
        for each in self.objects:
            marks = {**each["metadata"].get("labels", {}), **each["metadata"].get("annotations", {})}
            self.assertFalse([mark for mark in marks if "helm.sh" in mark], each["metadata"]["name"])
            self.assertNotEqual(marks.get("app.kubernetes.io/managed-by"), "Helm")

    def test_the_plain_install_has_what_the_chart_has(self):
        charted = {each["kind"] for each in render()}
        self.assertEqual({each["kind"] for each in self.objects} - {"Namespace"}, charted)
        self.assertEqual(len(of_kind(self.objects, "Deployment")), 1)


class Dockerfile(unittest.TestCase):
    """No container engine runs here, so what can be held to account without one is held here."""

    def setUp(self):
        text = (REPOSITORY / "deploy/Dockerfile").read_text()
        text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
        instructions = [line.split(None, 1) for line in text.splitlines() if line.strip()]
        starts = [i for i, (word, _) in enumerate(instructions) if word == "FROM"]
        self.first = instructions[: starts[-1]]
        self.last = instructions[starts[-1] :]
        self.recipe = json.loads((REPOSITORY / "deploy/image/gaap-operator.json").read_text())
        self.files = [file["to"] for file in self.recipe["files"]]

    def test_the_image_is_what_make_image_makes_of_the_recipe(self):
        self.assertEqual(self.last[0], ["FROM", "scratch"])
        copies = [rest.split() for word, rest in self.last if word in ("COPY", "ADD")]
        ((origin, *sources, target),) = copies
        self.assertEqual((origin, target), ("--from=build", "/"))
        self.assertEqual(sorted(f"/{name.rsplit('/', 1)[1]}" for name in sources), sorted(self.files))
        # What is copied out of the build stage was put there from the same places.
        (put,) = [rest for word, rest in self.first if word == "RUN"]
        for file in self.recipe["files"]:
            source = file["from"].replace("{programs}", '"$(scripts/static-build.sh gaap-operator)').split()
            self.assertIn(" ".join(source), put)

    def test_the_image_has_the_recipes_entrypoint_and_labels(self):
        said = {word: rest for word, rest in self.last}
        self.assertEqual(json.loads(said["ENTRYPOINT"]), self.recipe["entrypoint"])
        self.assertEqual(dict(re.findall(r'(\S+)="([^"]*)"', said["LABEL"])), self.recipe["labels"])
        self.assertFalse(set(said) - {"FROM", "LABEL", "COPY", "USER", "ENTRYPOINT"}, "the recipe knows no more")

    def test_the_image_runs_as_the_user_that_the_chart_names(self):
        users = [rest for word, rest in self.last if word == "USER"]
        security = only(render(), "Deployment")["spec"]["template"]["spec"]["securityContext"]
        self.assertEqual(users, [f"{security['runAsUser']}:{security['runAsGroup']}"])
        self.assertEqual(users, [self.recipe["user"]])

    def test_the_program_is_static_and_built_from_the_locked_dependencies(self):
        script = (REPOSITORY / "scripts/static-build.sh").read_text()
        (build,) = re.findall(r"cargo rustc .*", script)
        self.assertIn("--locked", build)
        self.assertIn('--target "$target"', build)
        self.assertIn("target-feature=+crt-static", script)

    def test_what_the_build_needs_is_sent_to_the_builder(self):
        sent = (REPOSITORY / "deploy/Dockerfile.dockerignore").read_text().split("\n")
        members = re.findall(r'"([^"]+)"', re.search(r"members = \[(.*?)\]", (REPOSITORY / "Cargo.toml").read_text())[1])
        for needed in (*members, "src", "Cargo.toml", "Cargo.lock", "scripts/static-build.sh", "LICENSE"):
            if needed != ".":
                parents = {"/".join(needed.split("/")[: count + 1]) for count in range(needed.count("/") + 1)}
                self.assertTrue(parents & {line[1:] for line in sent if line.startswith("!")}, needed)

    def test_the_image_is_built_with_the_toolchain_of_the_repository(self):
        toolchain = (REPOSITORY / "rust-toolchain.toml").read_text()
        (channel,) = re.findall(r'^channel = "([^"]+)"', toolchain, flags=re.MULTILINE)
        self.assertTrue(self.first[0][1].startswith(f"rust:{channel}"), self.first[0])


if __name__ == "__main__":
    unittest.main()
