"""Alert rules and the Grafana dashboard: both parse, the alerts fire, and every metric in them exists."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from tests.template import INFRA, ROOT

PROMTOOL = Path(os.environ["INFRA_TOOLS"]) / "usr/bin/promtool"
RULES = INFRA / "prometheus/alerts.yml"
NAMES = ROOT / "crates/telemetry/src/names.rs"
DASHBOARD = json.loads((INFRA / "grafana/dashboard.json").read_text())


def promtool(*arguments):
    return subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60)


def known():
    """Metrics that the service has, and the one that Prometheus itself has of every target."""
    declared = re.findall(r'= "([a-z_]+)", (Counter|Gauge|Histogram)', NAMES.read_text())
    series = {name for name, kind in declared if kind != "Histogram"}
    series |= {f"{name}{end}" for name, kind in declared if kind == "Histogram" for end in ("_bucket", "_count", "_sum")}
    return series | {"up"}


def named(expression):
    """Metrics in an expression: words that are neither in a matcher or grouping nor a function or keyword."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)", " ", expression)
    words = re.findall(r"[a-z_]+(?![a-z_]* ?\()\b", bare)
    return {word for word in words if word not in ("or", "by", "sum", "e")}


class Alerts(unittest.TestCase):
    def test_rules_parse(self):
        done = promtool("check", "rules", RULES)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_fires_and_a_healthy_service_is_left_alone(self):
        done = promtool("test", "rules", INFRA / "prometheus/alerts_test.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_alert_is_tested_and_says_what_to_do(self):
        tested = (INFRA / "prometheus/alerts_test.yml").read_text()
        for rule in self.rules():
            self.assertIn(f'alertname="{rule["alert"]}"', tested)
            self.assertTrue(rule["annotations"]["action"])

    def test_every_metric_exists(self):
        for rule in self.rules():
            self.assertLessEqual(named(rule["expr"]), known(), rule["alert"])

    def rules(self):
        (group,) = yaml.safe_load(RULES.read_text())["groups"]
        return group["rules"]


class Dashboard(unittest.TestCase):
    def expressions(self):
        return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

    def test_every_expression_parses(self):
        filled = [one.replace("$__rate_interval", "5m").replace("$instance", ".*") for one in self.expressions()]
        rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(filled)]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
            file.flush()
            done = promtool("check", "rules", file.name)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_metric_exists(self):
        for expression in self.expressions():
            self.assertTrue(named(expression), expression)
            self.assertLessEqual(named(expression), known(), expression)

    def test_the_contract_is_shown(self):
        contract = set(re.findall(r'= "([a-z_]+)", [CGH]', NAMES.read_text())[:7])
        shown = " ".join(self.expressions())
        self.assertEqual({name for name in contract if name not in shown}, set())

    def test_panels_do_not_overlap(self):
        cells = set()
        for panel in DASHBOARD["panels"]:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            own = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & own, panel["title"])
            cells |= own
