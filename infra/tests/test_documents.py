"""README.md says what the files say: the costs, the parameters, the alarms, and the Dockerfile's binary."""

import re
import subprocess
import sys
import tomllib
import unittest

from tests.template import INFRA, ROOT, SOURCE, expanded, of_type
from tests.test_function import settings

README = (INFRA / "README.md").read_text()


class Readme(unittest.TestCase):
    def test_costs_are_those_of_the_script(self):
        table = subprocess.run([sys.executable, "-B", INFRA / "costs.py"], capture_output=True, text=True, check=True).stdout
        self.assertIn(f"<!-- costs.py -->\n{table}<!-- costs.py end -->", README)

    def test_every_alarm_is_explained(self):
        for name in of_type("AWS::CloudWatch::Alarm"):
            self.assertIn(f"| `{name}` |", README)

    def test_parameters_and_outputs_exist(self):
        template = expanded()
        overrides = re.findall(r"[ ]([A-Z][A-Za-z]+)=", README)
        self.assertTrue(overrides)
        self.assertLessEqual(set(overrides), set(template["Parameters"]))
        outputs = re.findall(r"\boutput ([A-Z]\w+)", README)
        self.assertTrue(outputs)
        self.assertLessEqual(set(outputs), set(template["Outputs"]))

    def test_files_exist(self):
        for name in re.findall(r"`((?:infra/)?[a-z-]+(?:/[a-z.-]*|\.[a-z]+))`", README):
            self.assertTrue((INFRA / name).exists() or (ROOT / name).exists(), name)

    def test_the_function_is_built_where_the_template_takes_it_from(self):
        (folder,) = re.findall(r"^ +CodeUri: \.\./(.+)/create-accounts/$", SOURCE.read_text(), re.MULTILINE)
        builds = re.findall(r"^cargo lambda build .*$", README, re.MULTILINE)
        self.assertTrue(builds)
        for command in builds:
            words = command.split()
            self.assertEqual(words[words.index("--lambda-dir") + 1], folder)
            self.assertEqual(words[words.index("--package") + 1], "create-accounts")
            self.assertLessEqual({"--release", "--locked", "--arm64"}, set(words))
        self.assertEqual(expanded()["Parameters"]["Architecture"]["Default"], "arm64")

class Dockerfile(unittest.TestCase):
    def setUp(self):
        self.text = (INFRA / "Dockerfile").read_text()

    def test_base_images_are_short_names_that_can_be_replaced(self):
        arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", self.text, re.MULTILINE))
        for image in re.findall(r"^FROM (?:--platform=\S+ )?(\S+)", self.text, re.MULTILINE):
            name = image[2:-1] if image.startswith("$") else image
            self.assertTrue(name == "scratch" or name in arguments, image)
        for image in arguments.values():
            self.assertNotIn("/", image)

    def test_the_compiler_is_the_workspaces(self):
        version = re.search(r'^rust-version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
        self.assertIn(f"RUST_IMAGE=rust:{version}-", self.text)

    def test_its_linker_is_the_functions(self):
        tools = (ROOT / "tests/tools/install").read_text()
        self.assertIn(re.search(r"ziglang==[\d.]+", self.text)[0], tools)

    def test_its_variables_are_settings(self):
        image = self.text.rsplit("FROM ", 1)[1]
        variables = dict(re.findall(r"^ENV (\w+)=(\S+)$", image, re.MULTILINE))
        self.assertLessEqual(set(variables), settings())
        self.assertEqual(variables["SESSION_BUILDER__MONITORING__BIND_ADDRESS"], "0.0.0.0")
        port = tomllib.loads((ROOT / "config.toml").read_text())["monitoring"]["metrics_port"]
        self.assertIn(f"\nEXPOSE {port}\n", self.text)

    def test_runs_the_listener_without_rights(self):
        last = self.text.rsplit("FROM ", 1)[1]
        self.assertIn("\nUSER 65532:65532\n", last)
        self.assertIn('\nENTRYPOINT ["/listener"]\n', last)
        self.assertIn('CMD ["/listener", "health"]\n', last)

    def test_the_builder_gets_what_the_workspace_needs(self):
        kept = re.findall(r"^!(\S+)$", (INFRA / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
        members = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]
        folders = {member.split("/")[0] for member in members}
        self.assertLessEqual({"Cargo.toml", "Cargo.lock", "config.toml", *folders}, set(kept))
