"""Alarms, the metrics behind them, the dashboard, and what the stack tells an operator."""

import json
import re
import unittest

from tests.template import expanded, of_type, properties

# Name: metric, its namespace's last part, threshold, comparison, minutes, missing data.
ALARMS = {
    "DeadLettersNotEmpty": ("ApproximateNumberOfMessagesVisible", 0, "Greater", 1, "notBreaching"),
    "OldestMessage": ("ApproximateAgeOfOldestMessage", 5, "Greater", 3, "notBreaching"),
    "FunctionErrors": ("Errors", 0, "Greater", 1, "notBreaching"),
    "FunctionThrottles": ("Throttles", 0, "Greater", 1, "notBreaching"),
    "WalletLow": ("wallet_low", 0, "Greater", 1, "ignore"),
    "ListenerLag": ("listener_lag_slots", {"Ref": "ListenerLagSlots"}, "Greater", 3, "ignore"),
    "ListenerNotAlive": ("listener_connected", 1, "Less", 3, "breaching"),
}


class Alarms(unittest.TestCase):
    def test_each_rings_when_it_should(self):
        self.assertCountEqual(of_type("AWS::CloudWatch::Alarm"), ALARMS)
        for name, (metric, threshold, comparison, minutes, missing) in ALARMS.items():
            with self.subTest(name):
                alarm = properties(name)
                self.assertEqual(alarm["MetricName"], metric)
                self.assertEqual(alarm["Threshold"], threshold)
                self.assertEqual(alarm["ComparisonOperator"], f"{comparison}ThanThreshold")
                self.assertEqual((alarm["Period"], alarm["EvaluationPeriods"]), (60, minutes))
                self.assertEqual(alarm["TreatMissingData"], missing)

    def test_each_reaches_the_topic_and_says_what_happened(self):
        for name in ALARMS:
            alarm = properties(name)
            self.assertEqual(alarm["AlarmActions"], [{"Ref": "Alerts"}], name)
            self.assertTrue(alarm["AlarmDescription"], name)

    def test_queue_alarms_watch_their_queues(self):
        for name, queue in (("DeadLettersNotEmpty", "DeadLetterQueue"), ("OldestMessage", "Queue")):
            value = {"Fn::GetAtt": [queue, "QueueName"]}
            self.assertEqual(properties(name)["Dimensions"], [{"Name": "QueueName", "Value": value}])

    def test_metrics_from_logs_are_those_of_the_alarms(self):
        made = {}
        for name in of_type("AWS::Logs::MetricFilter"):
            (made_of,) = properties(name)["MetricTransformations"]
            made[made_of["MetricName"]] = made_of["MetricNamespace"]
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

    def test_alarms_can_publish_to_the_encrypted_topic(self):
        self.assertEqual(properties("Alerts")["KmsMasterKeyId"], {"Ref": "DataKey"})
        statements = properties("DataKey")["KeyPolicy"]["Statement"]
        (allowed,) = (one for one in statements if one["Principal"] == {"Service": "cloudwatch.amazonaws.com"})
        self.assertCountEqual(allowed["Action"], ["kms:Decrypt", "kms:GenerateDataKey"])
        self.assertEqual(properties("AlertsByEmail")["TopicArn"], {"Ref": "Alerts"})
        self.assertEqual(expanded()["Resources"]["AlertsByEmail"]["Condition"], "HasEmail")

    def test_dashboard_is_json_and_shows_every_part(self):
        body = re.sub(r"\$\{[^}]+\}", "1", properties("Dashboard")["DashboardBody"]["Fn::Sub"])
        titles = [widget["properties"]["title"].split(" ")[0] for widget in json.loads(body)["widgets"]]
        self.assertEqual(titles, ["Accounts", "From", "Queue", "Function", "Listener", "Wallet"])


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
            {"WalletAddress", "RepositoryUri", "QueueUrl", "DeadLetterQueueUrl", "FunctionName", "FunctionLogGroup"}
            | {"ListenerService", "ListenerLogGroup", "ClusterName", "CursorBucketName", "AlertTopicArn", "DashboardUrl"},
            set(expanded()["Outputs"]),
        )
