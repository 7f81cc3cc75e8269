"""Who may do what: each role's rights in full, and no wildcard without its reason."""

import re
import unittest

from tests.template import SOURCE, branches, expanded, of_type, properties


def arn(name):
    return {"Fn::GetAtt": [name, "Arn"]}


def statements(*documents):
    return [leaf for document in documents for statement in document["Statement"] for leaf in branches(statement)]


def rights(*documents):
    """Pairs of action and resource."""
    pairs = []
    for statement in statements(*documents):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        pairs += [(action, resource) for action in actions for resource in branches(statement["Resource"])]
    return pairs


def role(name):
    return [policy["PolicyDocument"] for policy in properties(name).get("Policies", [])]


KEYS = [arn("SigningKey"), {"Ref": "SigningKeyArn"}]


class Rights(unittest.TestCase):
    def same(self, found, expected):
        self.assertCountEqual(found, expected)

    def test_function(self):
        queue, dead_letters = arn("Queue"), arn("DeadLetterQueue")
        logs = arn("CreateAccountsLogs")
        self.same(
            rights(*role("CreateAccountsRole")),
            [
                ("sqs:ReceiveMessage", queue),
                ("sqs:DeleteMessage", queue),
                ("sqs:ChangeMessageVisibility", queue),
                ("sqs:GetQueueAttributes", queue),
                ("sqs:SendMessage", dead_letters),
                ("sqs:GetQueueAttributes", dead_letters),
                ("logs:CreateLogStream", logs),
                ("logs:PutLogEvents", logs),
                ("xray:PutTraceSegments", "*"),
                ("xray:PutTelemetryRecords", "*"),
                ("kms:Decrypt", arn("DataKey")),
                *(("kms:Sign", key) for key in KEYS),
            ],
        )

    def test_signing_is_ed25519_only(self):
        (sign,) = (one for one in statements(*role("CreateAccountsRole")) if one["Action"] == "kms:Sign")
        self.assertEqual(sign["Condition"], {"StringEquals": {"kms:SigningAlgorithm": "ED25519_SHA_512"}})

    def test_listener(self):
        queue = arn("Queue")
        self.same(
            rights(properties("ListenerPolicy")["PolicyDocument"]),
            [
                ("sqs:SendMessage", queue),
                ("sqs:GetQueueAttributes", queue),
                ("sqs:GetQueueAttributes", arn("DeadLetterQueue")),
                ("s3:GetObject", {"Fn::Sub": "${CursorBucket.Arn}/cursors/*"}),
                ("s3:PutObject", {"Fn::Sub": "${CursorBucket.Arn}/cursors/*"}),
                ("s3:ListBucket", arn("CursorBucket")),
            ],
        )

    def test_start_of_the_listener(self):
        logs, repository = arn("ListenerLogs"), arn("Repository")
        self.same(
            rights(properties("ListenerStartPolicy")["PolicyDocument"]),
            [
                ("ecr:GetAuthorizationToken", "*"),
                ("ecr:BatchCheckLayerAvailability", repository),
                ("ecr:BatchGetImage", repository),
                ("ecr:GetDownloadUrlForLayer", repository),
                ("logs:CreateLogStream", logs),
                ("logs:PutLogEvents", logs),
                ("secretsmanager:GetSecretValue", {"Ref": "RpcUrlSecretArn"}),
            ],
        )

    def test_wallet_address(self):
        logs = arn("WalletAddressLogs")
        self.same(
            rights(*role("WalletAddressRole")),
            [
                *(("kms:GetPublicKey", key) for key in KEYS),
                ("logs:CreateLogStream", logs),
                ("logs:PutLogEvents", logs),
            ],
        )

    def test_there_are_no_other_rights(self):
        self.same(
            of_type("AWS::IAM::Role"),
            ["CreateAccountsRole", "ListenerRole", "ListenerStartRole", "WalletAddressRole"],
        )
        self.same(of_type("AWS::IAM::RolePolicy"), ["ListenerPolicy", "ListenerStartPolicy"])
        for name in of_type("AWS::IAM::Role"):
            self.assertNotIn("ManagedPolicyArns", properties(name), name)
        self.assertEqual(of_type("AWS::Lambda::Permission"), [])

    def test_roles_are_for_their_services_only(self):
        for name in of_type("AWS::IAM::Role"):
            (statement,) = properties(name)["AssumeRolePolicyDocument"]["Statement"]
            service = "ecs-tasks" if name.startswith("Listener") else "lambda"
            self.assertEqual(statement["Principal"], {"Service": f"{service}.amazonaws.com"}, name)
            self.assertEqual(statement["Action"], "sts:AssumeRole")

    def test_every_wildcard_has_its_reason_beside_it(self):
        wildcard = re.compile(r"^ +-? ?(Action|Resource|Principal): .*\*")
        lines = [line for line in SOURCE.read_text().splitlines() if wildcard.match(line)]
        self.assertGreater(len(lines), 5)
        for line in lines:
            self.assertRegex(line, r" # [A-Z].+\.$")

    def test_actions_are_wild_only_where_they_are_denied_or_the_account_keeps_its_keys(self):
        for name, resource in expanded()["Resources"].items():
            given = resource.get("Properties", {})
            documents = [policy["PolicyDocument"] for policy in given.get("Policies", [])]
            documents += [given[key] for key in ("PolicyDocument", "KeyPolicy") if key in given]
            for statement in statements(*documents):
                if "*" in str(statement["Action"]):
                    self.assertTrue(statement["Effect"] == "Deny" or statement["Sid"] == "AccountDecidesByIam", name)
