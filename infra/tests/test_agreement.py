"""The template agrees with the code, the settings, the runbook and itself, where no tool could notice that it doesn't."""

import json
import re
import tomllib
import unittest

from tests.template import ROOT, SOURCE, branches, expanded, of_type, properties, references, resolved

PREFIX = "SESSION_BUILDER__"
LISTENER = {"ListenerImageTag": "v1"}


def settings():
    """The environment variables that config.toml knows."""
    sections = tomllib.loads((ROOT / "config.toml").read_text())
    return {f"{PREFIX}{section}__{key}".upper() for section, keys in sections.items() for key in keys}


def sources(*folders):
    return "\n".join(path.read_text() for folder in folders for path in sorted((ROOT / folder).rglob("*.rs")))


def container(task):
    """The variables of a task's container, with what they are given."""
    (one,) = properties(task)["ContainerDefinitions"]
    given = [leaf for item in one["Environment"] + one["Secrets"] for leaf in branches(item)]
    return {(each["Name"], json.dumps(each.get("Value", each.get("ValueFrom")))) for each in given}


class Settings(unittest.TestCase):
    def test_every_variable_is_a_setting(self):
        function = set(properties("CreateAccounts")["Environment"]["Variables"])
        key = tomllib.loads((ROOT / "config.toml").read_text())["signer"]["environment_variable"]
        named = {name for task in ("ListenerTask", "Errand") for name, _ in container(task)}
        self.assertEqual((function | named) - settings(), {key})

    def test_the_one_off_task_is_told_what_the_listener_is(self):
        differing = {name for name, _ in container("ListenerTask") ^ container("Errand")}
        own = ("MONITORING__CLOUDWATCH_STACK", "LISTENER__LEASE_SECS", "SERVICE__STATE_DIR", "SIGNER__KIND", "LEDGER__TABLE")
        self.assertEqual(differing, {f"{PREFIX}{name}" for name in own})

    def test_function_and_listener_are_told_the_same(self):
        function = resolved(**LISTENER)["Resources"]["CreateAccounts"]["Properties"]["Environment"]["Variables"]
        (one,) = resolved(**LISTENER)["Resources"]["ListenerTask"]["Properties"]["ContainerDefinitions"]
        listener = {each["Name"]: each["Value"] for each in one["Environment"]}
        common = set(function) & set(listener)
        self.assertGreater(len(common), 8)
        self.assertEqual({name: function[name] for name in common}, {name: listener[name] for name in common})

    def test_whoever_deploys_names_the_programs(self):
        parameters = expanded()["Parameters"]
        self.assertEqual({name for name, one in parameters.items() if "Default" not in one}, {"ProgramId", "AllowedOwnerPrograms"})
        for name, one in parameters.items():
            self.assertTrue(one["Description"], name)
        groups = expanded()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        self.assertCountEqual([name for group in groups for name in group["Parameters"]], parameters)

    def test_every_parameter_does_something(self):
        text = SOURCE.read_text()
        for name in expanded()["Parameters"]:
            self.assertRegex(text, rf"!Ref {name}\b|\$\{{{name}\}}", name)


class Release(unittest.TestCase):
    def test_whatever_changes_the_function_changes_what_is_live(self):
        template = expanded()
        used = references(properties("CreateAccounts")) & set(template["Parameters"])
        self.assertEqual(used - references(properties("LiveVersion")["Settings"]), set())
        # Why that list is needed: the translator's version is the same for another budget.
        versions = [
            [name for name in expanded(**given)["Resources"] if name.startswith("CreateAccountsVersion")]
            for given in ({}, {"HourlyBudgetLamports": "5"})
        ]
        self.assertEqual(*versions)

    def test_the_queue_calls_what_a_rollout_moves(self):
        self.assertEqual(properties("Sessions")["FunctionName"], {"Ref": "Live"})
        self.assertIn("CodeDeployLambdaAliasUpdate", expanded()["Resources"]["Live"]["UpdatePolicy"])
        watched = properties("RolloutGroup")["AlarmConfiguration"]["Alarms"]
        self.assertLessEqual({one["Name"]["Ref"] for one in watched}, set(of_type("AWS::CloudWatch::Alarm")))


class Watching(unittest.TestCase):
    def metrics(self):
        """What the metric filters make, by name."""
        made = {}
        for name in of_type("AWS::Logs::MetricFilter"):
            (one,) = properties(name)["MetricTransformations"]
            # Silence has to stay silence, or no listener could be missed.
            self.assertNotIn("DefaultValue", one, name)
            made[one["MetricName"]] = (name, one["MetricValue"])
        return made

    def told(self):
        """What the listener tells CloudWatch by itself, and under which namespace and dimension."""
        code = (ROOT / "crates/telemetry/src/cloudwatch.rs").read_text()
        namespace, dimension = (re.search(rf'pub const {name}: &str = "(\w+)"', code)[1] for name in ("NAMESPACE", "STACK"))
        listed = re.search(r"pub const TOLD: .*?\[\n(.*?)\];", code, re.DOTALL)[1]
        names = dict(re.findall(r'^    (\w+) = "(\w+)", ', (ROOT / "crates/telemetry/src/names.rs").read_text(), re.MULTILINE))
        return namespace, dimension, {names[one] for one in re.findall(r"names::(\w+)", listed)}

    def watched(self, name):
        """The metrics that an alarm looks at."""
        alarm = properties(name)
        return [alarm] if "MetricName" in alarm else [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]

    def test_every_alarm_watches_what_is_made(self):
        namespace, dimension, told = self.told()
        of_the_stack = [{"Name": dimension, "Value": {"Ref": "AWS::StackName"}}]
        by_filters, by_the_listener = set(), set()
        for name in of_type("AWS::CloudWatch::Alarm"):
            self.assertIn({"Ref": "Alerts"}, properties(name)["AlarmActions"], name)
            for one in self.watched(name):
                if one["Namespace"] == namespace:
                    self.assertEqual(one["Dimensions"], of_the_stack, name)
                    by_the_listener.add(one["MetricName"])
                elif not str(one["Namespace"]).startswith("AWS/"):
                    by_filters.add(one["MetricName"])
        self.assertEqual(by_filters, set(self.metrics()))
        # Each has its price, so none is told for nothing.
        self.assertEqual(by_the_listener, told)

    def test_filters_of_the_function_read_metrics_that_the_code_has(self):
        names = (ROOT / "crates/telemetry/src/names.rs").read_text()
        for made, (name, value) in self.metrics().items():
            if properties(name)["LogGroupName"] == {"Ref": "CreateAccountsLogs"}:
                self.assertIn(f'"{value.removeprefix("$.")}"', names, made)
                self.assertIn(f"({value} = *)".strip("()"), properties(name)["FilterPattern"])

    def test_the_listener_tells_of_this_stack_and_logs_its_errors_by_their_level(self):
        (one,) = properties("ListenerTask")["ContainerDefinitions"]
        stack = {each["Value"]["Ref"] for each in one["Environment"] if each.get("Name", "").endswith("CLOUDWATCH_STACK")}
        self.assertEqual(stack, {"AWS::StackName"})
        self.assertEqual(properties("ListenerErrorsMetric")["FilterPattern"], '{ $.level = "ERROR" }')
        # Without this, what a line says would stand in an object of its own.
        self.assertIn(".flatten_event(true)", sources("crates/telemetry/src"))
        # No level that may be chosen is silent about errors.
        self.assertNotIn("off", expanded()["Parameters"]["LogLevel"]["AllowedValues"])

    def test_a_listener_that_lists_a_complete_stream_rarely_does_not_lag(self):
        listener = tomllib.loads((ROOT / "config.toml").read_text())["listener"]
        later = float(re.search(r"const LATER: f64 = ([\d.]+)", sources("listener/src"))[1])
        # The shortest slot that the cluster is on its way to, and as much again for an answer and its saving.
        slots = listener["listing_interval_complete_secs"] * later / 0.2
        self.assertGreaterEqual(int(expanded()["Parameters"]["ListenerLagSlots"]["Default"]), slots)

    def test_each_dead_letter_counts_in_one_class(self):
        refused, failed = (properties(name)["FilterPattern"] for name in ("SessionsRefusedMetric", "SessionsFailedMetric"))
        codes = re.findall(r'\$\.reason = "(\w+)"', refused)
        self.assertEqual(re.findall(r'\$\.reason != "(\w+)"', failed), codes)
        code = sources("crates", "functions")
        for one in codes:
            self.assertIn(f'"{one}"', code, "a reason that nothing gives")

    def test_every_alarm_and_rule_has_its_entry_in_the_runbook(self):
        headings = re.findall(r"^### `(\w+)`$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
        linked = []
        for name in of_type("AWS::CloudWatch::Alarm"):
            linked.append(name)
            self.assertTrue(properties(name)["AlarmDescription"]["Fn::Sub"].endswith(f" ${{RunbookUrl}}#{name.lower()}"), name)
        for name in of_type("AWS::Events::Rule"):
            linked.append(name)
            (target,) = properties(name)["Targets"]
            self.assertIn(f"${{RunbookUrl}}#{name.lower()}", target["InputTransformer"]["InputTemplate"]["Fn::Sub"])
        self.assertCountEqual([one for one in headings if one in expanded()["Resources"]], linked)

    def test_the_dashboard_is_json_and_shows_metrics_that_exist(self):
        body = re.sub(r"\$\{[^}]+\}", "1", properties("Dashboard")["DashboardBody"]["Fn::Sub"])
        self.assertTrue(json.loads(body)["widgets"])
        names = (ROOT / "crates/telemetry/src/names.rs").read_text()
        for metric in re.findall(r'MetricName=\\"(\w+)\\"', body):
            self.assertIn(f'"{metric}"', names)
        shown = set(re.findall(r'\["SessionBuilder", "(\w+)", "Stack"', body))
        self.assertLessEqual(shown, self.told()[2])
        self.assertGreater(len(shown), 3)
