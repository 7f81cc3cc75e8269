"""README.md says what the files say: the costs, the parameters, the alarms; and so does samconfig.toml."""

import json
import re
import subprocess
import sys
import tomllib
import unittest

import costs
from samtranslator.yaml_helper import yaml_parse

from tests.template import INFRA, ROOT, SOURCE, expanded, resolved
from tests.test_agreement import settings

README = (INFRA / "README.md").read_text()
RUNBOOK = (ROOT / "docs/runbook.md").read_text()


class Readme(unittest.TestCase):
    def test_costs_are_those_of_the_script(self):
        table = subprocess.run([sys.executable, "-B", INFRA / "costs.py"], capture_output=True, text=True, check=True).stdout
        self.assertIn(f"<!-- costs.py -->\n{table}<!-- costs.py end -->", README)

    def test_costs_count_what_the_template_has(self):
        resources = resolved(ListenerImageTag="v1")["Resources"].values()
        alarms = [one["Properties"] for one in resources if one["Type"] == "AWS::CloudWatch::Alarm"]
        looked_at = [one for alarm in alarms for one in alarm.get("Metrics", [alarm]) if "MetricName" in one or "MetricStat" in one]
        self.assertEqual(costs.METRICS_OF_ALARMS, len(looked_at))
        own = {json.dumps(one.get("MetricStat", {}).get("Metric", one).get("MetricName")) for one in looked_at if "AWS/" not in json.dumps(one)}
        self.assertEqual(costs.METRICS_ALWAYS, len(own))
        self.assertEqual(costs.KEYS, sum(one["Type"] == "AWS::KMS::Key" for one in resources))
        listing = tomllib.loads((ROOT / "config.toml").read_text())["listener"]["listing_interval_complete_secs"]
        self.assertEqual(costs.WATERMARK_SAVES, costs.SECONDS / listing)

    def test_every_price_says_who_and_when(self):
        for name, price in costs.PRICES.items():
            self.assertGreater(price.dollars, 0, name)
            self.assertRegex(price.dated, r"^20\d\d-\d\d$", name)
            self.assertTrue(price.source and price.unit, name)

    def test_parameters_and_outputs_exist(self):
        template = expanded()
        config = tomllib.loads((INFRA / "samconfig.toml").read_text())
        overrides = re.findall(r"[ `]([A-Z][A-Za-z]+)=", README + RUNBOOK)
        for stage in ("staging", "production"):
            overrides += [one.split("=")[0] for one in config[stage]["deploy"]["parameters"]["parameter_overrides"]]
        self.assertGreater(len(overrides), 15)
        self.assertLessEqual(set(overrides), set(template["Parameters"]))
        outputs = re.findall(r"\boutput ([A-Z]\w+)", README + RUNBOOK)
        self.assertGreater(len(outputs), 10)
        self.assertLessEqual(set(outputs), set(template["Outputs"]))

    def test_no_stage_deploys_before_its_programs_are_named(self):
        config = tomllib.loads((INFRA / "samconfig.toml").read_text())
        for stage in ("staging", "production"):
            given = dict(one.split("=") for one in config[stage]["deploy"]["parameters"]["parameter_overrides"])
            for name in ("ProgramId", "AllowedOwnerPrograms"):
                pattern = expanded()["Parameters"][name]["AllowedPattern"]
                self.assertIsNone(re.fullmatch(pattern, given[name]), f"{stage} names {name}")

    def test_files_exist(self):
        for name in re.findall(r"`((?:infra/|tests/|docs/)?[a-z-]+(?:/[a-z.-]*|\.[a-z]+))`", README):
            self.assertTrue((INFRA / name).exists() or (ROOT / name).exists(), name)


class Release(unittest.TestCase):
    def test_its_template_names_the_compiled_function_and_has_nothing_to_build(self):
        for architecture in ("arm64", "x86_64"):
            command = [ROOT / "tests/release", "template", architecture]
            released = yaml_parse(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            written = yaml_parse(SOURCE.read_text())
            del written["Resources"]["CreateAccounts"]["Metadata"]
            written["Resources"]["CreateAccounts"]["Properties"]["CodeUri"] = "create-accounts.zip"
            written["Parameters"]["Architecture"]["Default"] = architecture
            self.assertEqual(released, written)


    def test_what_binstall_looks_for_is_what_is_packed(self):
        script = (ROOT / "tests/release").read_text()
        for folder, program in (("local", "session-builder"), ("listener", "listener")):
            metadata = tomllib.loads((ROOT / folder / "Cargo.toml").read_text())["package"]["metadata"]["binstall"]
            address = metadata["pkg-url"].replace("{ archive-suffix }", ".tar.gz")
            archive = address.rpartition("/")[2].replace("{ version }", "$version").replace("{ target }", "$target")
            self.assertIn(f'pack "$out/{archive}"', script)
            # The release's tag.
            self.assertIn("/v{ version }/", address)
            # Where README's own line finds it.
            self.assertIn(metadata["bin-dir"].replace("{ bin }", program).replace("{ binary-ext }", ""), (ROOT / "README.md").read_text())


class Dockerfile(unittest.TestCase):
    def setUp(self):
        self.text = (INFRA / "Dockerfile").read_text()

    def test_nothing_is_under_it(self):
        self.assertEqual(re.findall(r"^FROM (.+)$", self.text, re.MULTILINE), ["scratch"])
        self.assertNotRegex(self.text, r"(?m)^RUN ")

    def test_its_variables_are_settings(self):
        variables = dict(re.findall(r"^ENV (\w+)=(\S+)$", self.text, re.MULTILINE))
        self.assertLessEqual(set(variables), settings())
        port = tomllib.loads((ROOT / "config.toml").read_text())["monitoring"]["metrics_port"]
        self.assertIn(f"\nEXPOSE {port}\n", self.text)

    def test_it_runs_without_rights_and_asks_as_the_task_does(self):
        self.assertIn("\nUSER 65532:65532\n", self.text)
        (container,) = expanded()["Resources"]["ListenerTask"]["Properties"]["ContainerDefinitions"]
        command, *arguments = container["HealthCheck"]["Command"]
        self.assertIn(f"{command} {arguments}".replace("'", '"'), self.text)


class Paths(unittest.TestCase):
    def test_every_file_and_folder_that_a_document_names_is_there(self):
        named = re.compile(r"`((?:crates|docs|functions|infra|listener|local|programs|tests|benches)/[\w./-]*)`")
        documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("programs/*.md"), *ROOT.glob("infra/*.md")]
        self.assertIn(ROOT / "README.md", documents)
        missing = [
            f"{document.relative_to(ROOT)}: {path}"
            for document in documents
            for path in named.findall(document.read_text())
            if "/target/" not in path and not (ROOT / path).exists() and not (document.parent / path).exists()
        ]
        self.assertEqual(missing, [])
