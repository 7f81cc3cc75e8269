"""The queue, its dead-letter queue, and what connects them to the function."""

import unittest

from tests.template import expanded, properties


MAPPING_PARAMETERS = ("BatchSize", "BatchWindowSeconds", "MaximumConcurrency")


class Queue(unittest.TestCase):
    def test_messages_become_dead_letters_after_five_receives(self):
        redrive = properties("Queue")["RedrivePolicy"]
        self.assertEqual(redrive["maxReceiveCount"], 5)
        self.assertEqual(redrive["deadLetterTargetArn"], {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
        environment = properties("CreateAccounts")["Environment"]["Variables"]
        self.assertEqual(environment["SESSION_BUILDER__QUEUE__MAX_RECEIVE_COUNT"], "5")

    def test_only_the_queue_may_use_the_dead_letter_queue(self):
        allow = properties("DeadLetterQueue")["RedriveAllowPolicy"]
        self.assertEqual(allow["redrivePermission"], "byQueue")
        name = properties("Queue")["QueueName"]["Fn::Sub"]
        (source,) = allow["sourceQueueArns"]
        self.assertTrue(source["Fn::Sub"].endswith(":" + name), source)

    def test_dead_letters_are_kept_as_long_as_sqs_can(self):
        kept = properties("DeadLetterQueue")["MessageRetentionPeriod"]
        self.assertEqual(kept, 14 * 24 * 3600)
        # A message that SQS moves keeps its age, so what is left to it is the difference.
        self.assertEqual(kept - properties("Queue")["MessageRetentionPeriod"], 7 * 24 * 3600)

    def test_both_are_encrypted_and_take_tls_only(self):
        for name in ("Queue", "DeadLetterQueue"):
            self.assertIs(properties(name)["SqsManagedSseEnabled"], True, name)
        policy = properties("QueuesByTlsOnly")
        self.assertEqual(policy["Queues"], [{"Ref": "Queue"}, {"Ref": "DeadLetterQueue"}])
        (statement,) = policy["PolicyDocument"]["Statement"]
        self.assertEqual((statement["Effect"], statement["Principal"]), ("Deny", "*"))
        self.assertEqual((statement["Action"], statement["Resource"]), ("sqs:*", "*"))
        self.assertEqual(statement["Condition"], {"Bool": {"aws:SecureTransport": "false"}})

    def test_visibility_is_six_times_every_timeout_that_may_be_chosen(self):
        template = expanded()
        timeouts = template["Parameters"]["FunctionTimeoutSeconds"]["AllowedValues"]
        mapping = template["Mappings"]["Timeout"]
        self.assertEqual(sorted(timeouts), sorted(mapping))
        for timeout in timeouts:
            self.assertGreaterEqual(mapping[timeout]["Visibility"], 6 * int(timeout))
        lookup = {"Fn::FindInMap": ["Timeout", {"Ref": "FunctionTimeoutSeconds"}, "Visibility"]}
        function = properties("CreateAccounts")
        self.assertEqual(properties("Queue")["VisibilityTimeout"], lookup)
        self.assertEqual(function["Timeout"], {"Ref": "FunctionTimeoutSeconds"})
        self.assertEqual(function["Environment"]["Variables"]["SESSION_BUILDER__QUEUE__VISIBILITY_TIMEOUT_SECS"], lookup)

    def test_what_is_queued_outlives_the_stack(self):
        for name in ("Queue", "DeadLetterQueue"):
            resource = expanded()["Resources"][name]
            self.assertEqual(resource["DeletionPolicy"], "RetainExceptOnCreate")
            self.assertEqual(resource["UpdateReplacePolicy"], "Retain")


class EventSourceMapping(unittest.TestCase):
    def test_partial_failures_and_sizes(self):
        mapping = properties("CreateAccountsSessions")
        self.assertEqual(mapping["EventSourceArn"], {"Fn::GetAtt": ["Queue", "Arn"]})
        self.assertEqual(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        self.assertEqual(mapping["BatchSize"], {"Ref": "BatchSize"})
        self.assertEqual(mapping["MaximumBatchingWindowInSeconds"], {"Ref": "BatchWindowSeconds"})
        self.assertEqual(mapping["ScalingConfig"], {"MaximumConcurrency": {"Ref": "MaximumConcurrency"}})
        self.assertEqual(mapping["FunctionName"], {"Ref": "CreateAccounts"})

    def test_its_parameters_stay_where_aws_takes_them(self):
        parameters = expanded()["Parameters"]
        bounds = {name: (parameters[name]["MinValue"], parameters[name]["MaxValue"]) for name in MAPPING_PARAMETERS}
        # More than ten a batch needs a window of a second, and a window eats into the deadline of five.
        self.assertEqual(bounds, {"BatchSize": (1, 10), "BatchWindowSeconds": (0, 5), "MaximumConcurrency": (2, 1000)})
        for name, (least, most) in bounds.items():
            self.assertTrue(least <= parameters[name]["Default"] <= most, name)
