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
DOCUMENT = ROOT / "docs/metrics.md"
FIRST_SCRAPE = INFRA / "prometheus/first_scrape.txt"
DASHBOARD = json.loads((INFRA / "grafana/dashboard.json").read_text())


def promtool(*arguments):
    return subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60)


def table():
    """Every metric of docs/metrics.md: its type, and its labels with the values that they can have."""
    metrics = {}
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("| `"):
            name, kind, _, labels, _ = (cell.strip() for cell in line.strip("|").split("|"))
            told = (label.split(": ", 1) for label in labels.split("; ") if label)
            metrics[name.strip("`")] = (kind, {label.strip("`"): set(re.findall("`([^`]+)`", values)) for label, values in told})
    return metrics


def known():
    """Metrics that the service has, and the one that Prometheus itself has of every target."""
    series = {name for name, (kind, _) in table().items() if kind != "histogram"}
    histograms = {name for name, (kind, _) in table().items() if kind == "histogram"}
    series |= {f"{name}{end}" for name in histograms for end in ("_bucket", "_count", "_sum")}
    return series | {"up"}


def disagreements(expression):
    """What an expression says of the metrics in it that docs/metrics.md does not."""
    found = []
    labels = {"instance", "job", "le"}
    for name in named(expression) - {"up"}:
        kind, own = table()[re.sub("_(bucket|count|sum)$", "", name) if name not in table() else name]
        labels |= own.keys()
        counted = re.search(rf"(rate|increase)\({name}\b", expression)
        if kind == "counter" and not counted and name != "service_uptime_seconds":
            found.append(f"{name} is a counter, and its total says nothing")
        if kind == "gauge" and counted:
            found.append(f"{name} is a gauge, and has no rate")
        for matchers in re.findall(rf"\b{name}{{([^}}]*)}}", expression):
            for label, values in re.findall(r'(\w+)[!=]~?"([^"]*)"', matchers):
                unknown = set(values.split("|")) - own.get(label, set())
                if label in own and own[label] and unknown:
                    found.append(f"{name} has no {label} {unknown}")
                if label not in own and label not in ("instance", "job"):
                    found.append(f"{name} has no label {label}")
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        found += [f"nothing has the label {label}" for label in group.split(", ") if label not in labels]
    return found


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

    def test_types_and_labels_agree_with_the_document(self):
        for rule in self.rules():
            self.assertEqual(disagreements(rule["expr"]), [], rule["alert"])

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
        contract = set(list(table())[:7])
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

    def test_types_and_labels_agree_with_the_document(self):
        for expression in self.expressions():
            self.assertEqual(disagreements(expression), [], expression)


class FirstScrape(unittest.TestCase):
    """What a service shows before it has done anything; the tests of crates/telemetry hold it to the recorder's own words."""

    def test_prometheus_finds_nothing_to_say(self):
        with FIRST_SCRAPE.open() as page:
            done = subprocess.run([PROMTOOL, "check", "metrics"], stdin=page, capture_output=True, text=True, timeout=60)
        # The service's contract has this name.
        fixed = 'service_uptime_seconds counter metrics should have "_total" suffix'
        self.assertEqual((done.stdout + done.stderr).strip(), fixed)

    def test_every_metric_of_the_document_is_there(self):
        page = FIRST_SCRAPE.read_text()
        for name, (kind, labels) in table().items():
            if all(labels.values()):
                self.assertIn(f"# TYPE {name} {kind}\n", page)
