"""The template, deployed to local stand-ins as far as they know it, and used."""

import json
import re
import unittest
import unittest.mock

import boto3

from tests.stand_in import aws, deploy, unknown
from tests.template import ROOT, resolved

# The whole service, with a listener and somebody to be told.
WHOLE = {"ListenerImageTag": "v1", "AlertEmail": "you@example.com"}


class Deployment(unittest.TestCase):
    def setUp(self):
        stand_in = aws()
        stand_in.__enter__()
        self.addCleanup(stand_in.__exit__, None, None, None)

    def attributes(self, url):
        return boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    def mapping(self, stack):
        return boto3.client("lambda").get_event_source_mapping(UUID=stack.outputs["SessionsMappingId"])

    def test_all_that_the_stand_in_knows_is_made(self):
        stack = deploy("whole", **WHOLE)
        self.assertEqual(stack.status, "CREATE_COMPLETE")
        template = resolved(**WHOLE)
        made, all_of_it = set(stack.resources), set(template["Resources"])
        self.assertEqual(all_of_it - made, unknown(template))
        # Fewer than so many, and this says less than it seems to.
        print(f"{len(made)} of {len(all_of_it)} resources deployed", end=" ... ")
        self.assertGreater(len(made), 0.6 * len(all_of_it))
        self.assertEqual(set(stack.outputs), set(template["Outputs"]))

    def test_every_choice_deploys(self):
        choices = {
            "no-listener": {},
            "secrets": {
                "RpcUrlSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rpc",
                "RpcFallbackUrlsSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:more",
                "SigningSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:wallet",
            },
            "rotation": {
                "SigningKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/new",
                "PreviousSigningKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/old",
            },
            "pollers": {"ProvisionedPollers": "2"},
            "alarm-only": {"OnSpendRate": "alarm"},
        }
        for name, parameters in choices.items():
            with self.subTest(name):
                chosen = parameters if name == "no-listener" else WHOLE | parameters
                self.assertEqual(deploy(name, **chosen).status, "CREATE_COMPLETE")

    def test_the_queues_read_back(self):
        outputs = deploy("queues").outputs
        queue, dead_letters = self.attributes(outputs["QueueUrl"]), self.attributes(outputs["DeadLetterQueueUrl"])
        redrive = json.loads(queue["RedrivePolicy"])
        self.assertEqual((int(redrive["maxReceiveCount"]), redrive["deadLetterTargetArn"]), (5, dead_letters["QueueArn"]))
        # What SQS moves keeps its age: the difference is what is left to somebody who has to read it.
        kept = [int(attributes["MessageRetentionPeriod"]) for attributes in (queue, dead_letters)]
        self.assertGreaterEqual(kept[1] - kept[0], 7 * 24 * 3600)

    def test_visibility_follows_every_timeout_that_may_be_chosen(self):
        for timeout in resolved()["Parameters"]["FunctionTimeoutSeconds"]["AllowedValues"]:
            with self.subTest(timeout):
                stack = deploy(f"timeout-{timeout}", FunctionTimeoutSeconds=timeout)
                function = boto3.client("lambda").get_function_configuration(FunctionName=stack.outputs["FunctionName"])
                visibility = int(self.attributes(stack.outputs["QueueUrl"])["VisibilityTimeout"])
                self.assertGreaterEqual(visibility, 6 * function["Timeout"])
                told = function["Environment"]["Variables"]["SESSION_BUILDER__QUEUE__VISIBILITY_TIMEOUT_SECS"]
                self.assertEqual(int(told), visibility)

    def test_a_message_is_a_dead_letter_after_five_receives(self):
        # Stopped, or the stand-in would hand the message to the function.
        outputs = deploy("redrive", Spending="off").outputs
        sqs, url = boto3.client("sqs"), outputs["QueueUrl"]
        sent = sqs.send_message(QueueUrl=url, MessageBody="fails for ever")["MessageId"]
        counts = []
        # The sixth receive finds nothing: it moves the message.
        for _ in range(6):
            received = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=0, AttributeNames=["All"])
            counts += [one["Attributes"]["ApproximateReceiveCount"] for one in received.get("Messages", [])]
        self.assertEqual(counts, ["1", "2", "3", "4", "5"])
        (dead,) = sqs.receive_message(QueueUrl=outputs["DeadLetterQueueUrl"])["Messages"]
        self.assertEqual(dead["MessageId"], sent)

    def test_the_mapping_reports_partial_failures_and_can_be_deployed_stopped(self):
        going, stopped = deploy("going"), deploy("stopped", Spending="off")
        self.assertEqual(self.mapping(going)["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        self.assertEqual(self.mapping(going)["EventSourceArn"], going.outputs["QueueArn"])
        self.assertEqual([self.mapping(stack)["State"] for stack in (going, stopped)], ["Enabled", "Disabled"])

    def test_the_alarm_on_spending_takes_the_function_off_its_queue(self):
        stack = deploy("spending")
        function = boto3.client("lambda").get_function(FunctionName=stack.resources["StopSpending"])
        variables = function["Configuration"]["Environment"]["Variables"]
        code = resolved()["Resources"]["StopSpending"]["Properties"]["Code"]["ZipFile"]
        self.assertEqual(self.mapping(stack)["State"], "Enabled")
        names = {}
        with unittest.mock.patch.dict("os.environ", variables):
            exec(code, names)
            names["handler"]({}, None)
        self.assertEqual(self.mapping(stack)["State"], "Disabled")

    def test_the_ledger_has_the_keys_that_the_code_writes(self):
        name = deploy("ledger").outputs["LedgerTableName"]
        table = boto3.client("dynamodb")
        described = table.describe_table(TableName=name)["Table"]
        code = (ROOT / "crates/ledger-dynamodb/src/item.rs").read_text()
        named = [re.search(rf'const {key}: &str = "(\w+)"', code)[1] for key in ("PK", "SK")]
        self.assertEqual([one["AttributeName"] for one in described["KeySchema"]], named)
        self.assertEqual({one["AttributeType"] for one in described["AttributeDefinitions"]}, {"S"})
        # The stand-in forgets this one.
        expiry = resolved()["Resources"]["Ledger"]["Properties"]["TimeToLiveSpecification"]
        self.assertEqual(expiry["AttributeName"], re.search(r'const EXPIRES_AT: &str = "(\w+)"', code)[1])
