"""Alarms, the metrics behind them, the dashboard, and what the stack tells an operator."""

import json
import re
import unittest

from tests.template import ROOT, expanded, of_type, properties

OURS = {"Fn::Sub": "SessionBuilder/${AWS::StackName}"}
# Name: namespace, metric, statistic, threshold, comparison, minutes, missing data.
ALARMS = {
    "DeadLettersNotEmpty": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", 0, "Greater", 1, "notBreaching"),
    "OldestMessage": ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", 5, "Greater", 3, "notBreaching"),
    "FunctionErrors": ("AWS/Lambda", "Errors", "Sum", 0, "Greater", 1, "notBreaching"),
    "FunctionThrottles": ("AWS/Lambda", "Throttles", "Sum", 0, "Greater", 1, "notBreaching"),
    "WalletLow": (OURS, "wallet_low", "Maximum", 0, "Greater", 1, "ignore"),
    "ListenerLag": (OURS, "listener_lag_slots", "Maximum", {"Ref": "ListenerLagSlots"}, "Greater", 3, "ignore"),
    "ListenerNotAlive": (OURS, "listener_connected", "Sum", 1, "Less", 3, "breaching"),
}


def source(path):
    return (ROOT / path).read_text()


def transformation(name):
    (made,) = properties(name)["MetricTransformations"]
    return made


class Alarms(unittest.TestCase):
    def test_each_rings_when_it_should(self):
        self.assertCountEqual(of_type("AWS::CloudWatch::Alarm"), ALARMS)
        for name, (namespace, metric, statistic, threshold, comparison, minutes, missing) in ALARMS.items():
            with self.subTest(name):
                alarm = properties(name)
                self.assertEqual((alarm["Namespace"], alarm["MetricName"]), (namespace, metric))
                self.assertEqual(alarm["Statistic"], statistic)
                self.assertEqual(alarm["Threshold"], threshold)
                self.assertEqual(alarm["ComparisonOperator"], f"{comparison}ThanThreshold")
                self.assertEqual((alarm["Period"], alarm["EvaluationPeriods"]), (60, minutes))
                self.assertEqual(alarm["TreatMissingData"], missing)

    def test_each_reaches_the_topic_and_says_what_happened(self):
        for name in ALARMS:
            alarm = properties(name)
            self.assertEqual(alarm["AlarmActions"], [{"Ref": "Alerts"}], name)
            self.assertEqual(alarm["OKActions"], [{"Ref": "Alerts"}], name)
            self.assertIs(alarm.get("ActionsEnabled", True), True, name)
            self.assertTrue(alarm["AlarmDescription"], name)

    def test_queue_alarms_watch_their_queues(self):
        for name, queue in (("DeadLettersNotEmpty", "DeadLetterQueue"), ("OldestMessage", "Queue")):
            value = {"Fn::GetAtt": [queue, "QueueName"]}
            self.assertEqual(properties(name)["Dimensions"], [{"Name": "QueueName", "Value": value}])

    def test_function_alarms_watch_the_function(self):
        for name in ("FunctionErrors", "FunctionThrottles"):
            self.assertEqual(properties(name)["Dimensions"], [{"Name": "FunctionName", "Value": {"Ref": "CreateAccounts"}}])

    def test_alarms_on_logs_watch_the_whole_stack(self):
        # A metric filter without dimensions makes a metric without dimensions.
        for name in ("WalletLow", "ListenerLag", "ListenerNotAlive"):
            self.assertNotIn("Dimensions", properties(name), name)

    def test_the_missing_listener_is_missed_once_there_was_one(self):
        self.assertEqual(expanded()["Resources"]["ListenerNotAlive"]["DependsOn"], "Listener")

    def test_metrics_from_logs_are_those_of_the_alarms(self):
        made = {}
        for name in of_type("AWS::Logs::MetricFilter"):
            made[transformation(name)["MetricName"]] = transformation(name)["MetricNamespace"]
            # Silence has to stay silence, or no listener could be missed.
            self.assertNotIn("DefaultValue", transformation(name), name)
        watched = {
            properties(name)["MetricName"]: properties(name)["Namespace"]
            for name in ALARMS
            if not str(properties(name)["Namespace"]).startswith("AWS/")
        }
        self.assertEqual(made, watched)

    def test_listener_filters_read_its_status_line(self):
        for name, field in (("ListenerConnectedMetric", "$.connected IS TRUE"), ("ListenerLagMetric", "$.lag_slots = *")):
            metric_filter = properties(name)
            self.assertEqual(metric_filter["LogGroupName"], {"Ref": "ListenerLogs"})
            self.assertEqual(metric_filter["FilterPattern"], f'{{ ($.message = "listener status") && ({field}) }}')
        self.assertEqual(transformation("ListenerConnectedMetric")["MetricValue"], "1")
        self.assertEqual(transformation("ListenerLagMetric")["MetricValue"], "$.lag_slots")

    def test_the_listener_writes_that_line(self):
        line = re.search(r"tracing::info!\((.+?)\);", source("listener/src/bin/listener/status_line.rs"), re.DOTALL)[1]
        self.assertTrue(line.rstrip().endswith('"listener status"'))
        for field in ("connected", "lag_slots"):
            self.assertRegex(line, rf"\b{field} = ")
        # The fields stand beside the message, not in an object of their own.
        self.assertIn(".flatten_event(true)", source("crates/telemetry/src/logs.rs"))

    def test_the_line_is_written_whatever_the_log_level_is(self):
        (container,) = properties("ListenerTask")["ContainerDefinitions"]
        (level,) = (one["Value"] for one in container["Environment"] if one.get("Name", "").endswith("LOG_LEVEL"))
        self.assertEqual(level, {"Fn::Sub": "${LogLevel},listener::status_line=info"})
        self.assertIn('name = "listener"\npath = "src/bin/listener/main.rs"', source("listener/Cargo.toml"))
        self.assertIn("\nmod status_line;\n", source("listener/src/bin/listener/main.rs"))

    def test_wallet_filter_reads_what_the_function_flushes(self):
        metric_filter = properties("WalletLowMetric")
        self.assertEqual(metric_filter["LogGroupName"], {"Ref": "CreateAccountsLogs"})
        self.assertEqual(metric_filter["FilterPattern"], "{ $.wallet_low = * }")
        self.assertEqual(transformation("WalletLowMetric")["MetricValue"], "$.wallet_low")
        self.assertIn('gauge!("wallet_low")', source("crates/engine/src/monitor.rs"))
        self.assertIn(".flush(io::stdout().lock())", source("functions/create-accounts/src/emf.rs"))

    def test_alarms_can_publish_to_the_encrypted_topic(self):
        self.assertEqual(properties("Alerts")["KmsMasterKeyId"], {"Ref": "DataKey"})
        statements = properties("DataKey")["KeyPolicy"]["Statement"]
        (allowed,) = (one for one in statements if one["Principal"] == {"Service": "cloudwatch.amazonaws.com"})
        self.assertCountEqual(allowed["Action"], ["kms:Decrypt", "kms:GenerateDataKey"])
        (statement,) = properties("AlertsPolicy")["PolicyDocument"]["Statement"]
        self.assertEqual(properties("AlertsPolicy")["Topics"], [{"Ref": "Alerts"}])
        self.assertEqual((statement["Effect"], statement["Action"]), ("Allow", "sns:Publish"))
        self.assertEqual(statement["Principal"], {"Service": "cloudwatch.amazonaws.com"})
        own = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
        self.assertEqual((statement["Condition"], allowed["Condition"]), (own, own))
        self.assertEqual(properties("AlertsByEmail")["TopicArn"], {"Ref": "Alerts"})
        self.assertEqual(expanded()["Resources"]["AlertsByEmail"]["Condition"], "HasEmail")


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.body = re.sub(r"\$\{[^}]+\}", "1", properties("Dashboard")["DashboardBody"]["Fn::Sub"])

    def test_is_json_and_shows_every_part(self):
        titles = [widget["properties"]["title"].split(" ")[0] for widget in json.loads(self.body)["widgets"]]
        self.assertEqual(titles, ["Accounts", "From", "Queue", "Function", "Listener", "Wallet"])

    def test_every_metric_exists(self):
        searched = re.findall(
            r'SEARCH\(\'Namespace=\\"(\w+)\\" FunctionName=\\"1\\" MetricName=\\"(\w+)\\"\', \'\w+\'\)', self.body
        )
        self.assertEqual(len(searched), self.body.count("SEARCH("))
        (namespace,) = re.findall(r'NAMESPACE: &str = "(\w+)"', source("functions/create-accounts/src/emf.rs"))
        self.assertIn('const DIMENSION: &str = "FunctionName";', source("functions/create-accounts/src/emf.rs"))
        self.assertEqual(properties("Dashboard")["DashboardBody"]["Fn::Sub"].count("${CreateAccounts}"), len(searched) + 5)
        names = re.findall(r'= "([a-z_]+)", [CGH]', source("crates/telemetry/src/names.rs"))
        for found, metric in searched:
            self.assertEqual(found, namespace)
            self.assertIn(metric, names)
        for metric in re.findall(r'\["SessionBuilder/1", "(\w+)"', self.body):
            self.assertIn(metric, [alarm[1] for alarm in ALARMS.values()])


class Interface(unittest.TestCase):
    def test_every_parameter_has_a_default_and_says_what_it_is(self):
        template = expanded()
        for name, parameter in template["Parameters"].items():
            self.assertIn("Default", parameter, name)
            self.assertTrue(parameter["Description"], name)
        groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        self.assertCountEqual([name for group in groups for name in group["Parameters"]], template["Parameters"])

    def test_outputs_name_what_an_operator_needs(self):
        self.assertLessEqual(
            {"WalletAddress", "SigningKeyArn", "RepositoryUri", "FunctionName", "FunctionLogGroup"}
            | {"QueueUrl", "QueueArn", "DeadLetterQueueUrl", "DeadLetterQueueArn"}
            | {"ListenerService", "ListenerLogGroup", "ClusterName", "CursorBucketName", "AlertTopicArn", "DashboardUrl"},
            set(expanded()["Outputs"]),
        )
