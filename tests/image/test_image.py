"""The images that `make image` made, without an engine: unpacked, mounted read-only, and run as their user on a root that
holds what is in the image and what a kubelet adds (/etc/resolv.conf), in a network of its own.

Run by scripts/image-test.sh, which makes the namespaces.
"""

import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
IMAGES = pathlib.Path(os.environ["GAAP_IMAGES"])
# The program is the image: much more than this would be something that does not belong there.
LARGEST = 15_000_000
LIMIT_SECONDS = 60
# Names that only the name server of this test knows. RFC 6761 keeps .test for this.
NAMES = ("gaap.cloud.test", "sts.cloud.test")
KEY = {"TENCENTCLOUD_SECRET_ID": "AKIDofthistest", "TENCENTCLOUD_SECRET_KEY": "keyofthistest"}


class Image:
    """An image as an engine would unpack it."""

    def __init__(self, name, folder):
        self.recipe = json.loads((REPOSITORY / f"deploy/image/{name}.json").read_text())
        self.root = folder / name
        with tarfile.open(IMAGES / f"{name}.tar") as archive:
            manifest = json.load(archive.extractfile("manifest.json"))[0]
            self.config = json.load(archive.extractfile(manifest["Config"]))
            (layer,) = manifest["Layers"]
            with tarfile.open(fileobj=archive.extractfile(layer)) as files:
                self.members = files.getmembers()
                for member in self.members:
                    place = self.root / member.name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(files.extractfile(member).read())
                    place.chmod(member.mode)

    def mount(self):
        """Adds what a kubelet adds, and makes the root read-only."""
        (self.root / "etc").mkdir()
        (self.root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
        subprocess.run(["mount", "--bind", self.root, self.root], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", self.root], check=True)

    def start(self, *arguments, **environment):
        """Starts the entrypoint as the user of the image. Under a mapped root there is no other user to be."""
        user = [f"--userspec={self.config['config']['User']}"] if os.environ["GAAP_REAL_ROOT"] == "yes" else []
        command = [shutil.which("chroot"), *user, self.root, *self.config["config"]["Entrypoint"], *arguments]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def serve_names():
    """A name server that knows these names."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def answer():
        while True:
            query, asker = server.recvfrom(512)
            labels, place = [], 12
            while query[place]:
                labels.append(query[place + 1 : place + 1 + query[place]].decode())
                place += 1 + query[place]
            question = query[12 : place + 5]
            (kind,) = struct.unpack("!H", query[place + 1 : place + 3])
            known = ".".join(labels) in NAMES
            found = known and kind == 1
            head = query[:2] + struct.pack("!5H", 0x8180 if known else 0x8183, 1, int(found), 0, 0)
            row = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1") if found else b""
            server.sendto(head + question + row, asker)

    threading.Thread(target=answer, daemon=True).start()


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(dir=os.environ.get("GAAP_IMAGE_TEST_FOLDER"))
        cls.addClassCleanup(cls.folder.cleanup)
        place = pathlib.Path(cls.folder.name)
        place.chmod(0o755)
        cls.operator, cls.simulator = Image("gaap-operator", place), Image("gaap-simulator", place)
        for image in (cls.operator, cls.simulator):
            image.mount()
            cls.addClassCleanup(subprocess.run, ["umount", image.root], check=True)
        serve_names()

    def test_there_is_nothing_in_them_but_what_the_list_says(self):
        for image in (self.operator, self.simulator):
            found = {f"/{member.name}": f"{member.mode:04o}" for member in image.members if member.isfile()}
            self.assertEqual(found, {file["to"]: file["mode"] for file in image.recipe["files"]})
            self.assertEqual(len(found), len(image.members), "links, folders or devices")

    def test_the_operators_is_small_and_tells_nothing_of_the_machine_that_made_it(self):
        self.assertLess(sum(member.size for member in self.operator.members), LARGEST)
        program = (self.operator.root / "gaap-operator").read_bytes()
        for place in {str(REPOSITORY), os.path.expanduser("~/.cargo"), os.environ.get("CARGO_HOME", "/nowhere/at/all")}:
            self.assertNotIn(place.encode(), program, place)

    def test_they_run_on_a_read_only_root_and_find_each_other_by_name(self):
        secret_id, secret_key = KEY.values()
        simulator = self.simulator.start(
            "--listen", "127.0.0.1:8443", "--secret-id", secret_id, "--secret-key", secret_key
        )
        self.addCleanup(simulator.stdout.close)
        self.addCleanup(simulator.wait)
        self.addCleanup(simulator.terminate)
        self.assertIn("listening on", simulator.stdout.readline())
        check = ("check", f"--gaap-endpoint=http://{NAMES[0]}:8443", "--allow-insecure-endpoint")
        operator = self.operator.start(*check, **KEY)
        said, _ = operator.communicate(timeout=LIMIT_SECONDS)
        self.assertIn("ok      the credentials: of account 100000000001", said)
        self.assertIn("ok      DescribeProxies: answered", said)
        # No cluster is here; that it says so, and not that a program or a loader is missing, is the point.
        self.assertIn("FAILED  the API server:", said)
        self.assertEqual(operator.returncode, 1, said)

    def test_a_name_that_nobody_knows_is_named_in_the_error(self):
        check = ("check", "--gaap-endpoint=http://nobody.cloud.test:8443", "--allow-insecure-endpoint")
        said, _ = self.operator.start(*check, **KEY).communicate(timeout=LIMIT_SECONDS)
        self.assertRegex(said, "FAILED  the credentials: GetCallerIdentity could not be sent: .*(lookup|resolve|known)")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
