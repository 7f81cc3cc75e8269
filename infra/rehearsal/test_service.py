"""infra/smoke against a service that works and against broken ones; the runbook's rehearsed blocks; and who asked for what.

The classes run in the order of their names: the last one looks at what all the others made the service ask for.
"""

import json
import re
import subprocess
import unittest

import boto3
from rehearsal.machine import BINARIES, ROOT, TOOLS, until
from rehearsal.stage import STACK, close, stage
from rehearsal.service import caller
from solders.keypair import Keypair
from tests.template import resolved

PREFIX = "SESSION_BUILDER__"
RUNBOOK = (ROOT / "docs/runbook.md").read_text()


def setUpModule():
    stage()


def tearDownModule():
    close()


def smoke(*arguments, stack=STACK):
    return subprocess.run([ROOT / "infra/smoke", "--stack", stack, *arguments], capture_output=True, text=True, timeout=180)


class Account(unittest.TestCase):
    def test_a_session_is_asked_for_and_its_account_is_there(self):
        _, _, service = stage()
        done = smoke("--airdrop", "--timeout", "60")
        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}\n{service.listener.text()[-3000:]}\n{service.function.text()[-3000:]}")
        print(done.stdout)
        self.assertIn("the service works", done.stdout)


    def test_the_listener_says_what_the_wallet_has_where_the_alarms_look(self):
        _, _, service = stage()

        def said():
            lines = [json.loads(line) for line in service.listener.text().splitlines() if '"wallet status"' in line]
            return lines and lines[-1]

        line = until("the wallet's balance", 60, said)
        # The names by which the template's metric filters take them.
        self.assertGreater(line["lamports"], 0)
        self.assertIn("low", line)

    def test_the_task_is_alive_by_the_command_that_the_template_gives(self):
        _, _, service = stage()
        (container,) = resolved(ListenerImageTag="v1")["Resources"]["ListenerTask"]["Properties"]["ContainerDefinitions"]
        kind, program, *arguments = container["HealthCheck"]["Command"]
        self.assertEqual((kind, program), ("CMD", "/listener"))
        command = [BINARIES / "listener", *arguments]
        done = subprocess.run(command, env=service.listener_environment, capture_output=True, text=True, timeout=10)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_what_cannot_be_read_is_a_dead_letter_with_its_reason(self):
        _, _, service = stage()
        sqs, outputs = boto3.client("sqs"), service.stack.outputs
        sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody="no message of ours")

        def reason():
            letters = sqs.receive_message(QueueUrl=outputs["DeadLetterQueueUrl"], VisibilityTimeout=0, MessageAttributeNames=["All"])
            return [one["MessageAttributes"]["reason"]["StringValue"] for one in letters.get("Messages", [])]

        self.assertEqual(until("a dead letter", 30, reason), ["bad_body"])


class Broken(unittest.TestCase):
    """One thing is broken, and mended again when its test is over."""

    def setUp(self):
        self.chain, _, self.service = stage()
        self.outputs = self.service.stack.outputs
        self.sqs, self.aws_lambda, self.ecs = (boto3.client(name) for name in ("sqs", "lambda", "ecs"))

    def red(self, cause, *arguments):
        done = smoke("--check-only", *arguments)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stderr, f"^BROKEN  .*{cause}")

    def variables(self, **changed):
        """Gives the function other variables."""
        name = self.outputs["FunctionName"]
        before = self.aws_lambda.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

        def give(variables):
            self.aws_lambda.update_function_configuration(FunctionName=name, Environment={"Variables": variables})

        self.addCleanup(give, before)
        give(before | {key if key == "SESSION_BUILDER_KEYPAIR" else PREFIX + key: value for key, value in changed.items()})

    def queue(self, **changed):
        """Gives the queue other attributes."""
        url = self.outputs["QueueUrl"]
        before = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        self.addCleanup(self.sqs.set_queue_attributes, QueueUrl=url, Attributes={name: before[name] for name in changed})
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)

    def mapping(self, change, mend):
        mapping = self.outputs["SessionsMappingId"]
        self.addCleanup(self.aws_lambda.update_event_source_mapping, UUID=mapping, **mend)
        self.aws_lambda.update_event_source_mapping(UUID=mapping, **change)

    def test_no_such_stack(self):
        done = smoke("--check-only", stack="elsewhere")
        self.assertRegex(done.stderr, "^BROKEN  there is no stack elsewhere here")

    def test_a_factory_that_nobody_deployed(self):
        self.variables(SERVICE__PROGRAM_ID=str(Keypair().pubkey()))
        self.red("is no program on this cluster: nobody deployed it")

    def test_a_program_that_is_no_factory(self):
        self.variables(SERVICE__PROGRAM_ID=self.chain.session_program)
        self.red("was never initialised")

    def test_an_owner_program_that_nobody_deployed(self):
        self.variables(POLICY__ALLOWED_OWNER_PROGRAMS=f"{self.chain.session_program},{Keypair().pubkey()}")
        self.red("in AllowedOwnerPrograms is no program on this cluster")

    def test_an_rpc_that_does_not_answer(self):
        self.red("the RPC endpoint 127.0.0.1:1 does not answer", "--rpc-url", "http://127.0.0.1:1")

    def test_no_redrive_policy(self):
        self.queue(RedrivePolicy="")
        self.red("the queue has no redrive policy")

    def test_dead_letters_that_go_elsewhere(self):
        elsewhere = self.sqs.create_queue(QueueName="elsewhere")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=elsewhere, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5}))
        self.red("the queue's dead letters go to .*:elsewhere")

    def test_too_few_receives(self):
        arn = self.outputs["DeadLetterQueueArn"]
        self.queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1}))
        self.red("the queue gives a message 1 receives; the service makes 5 attempts")

    def test_a_visibility_that_is_too_short(self):
        self.queue(VisibilityTimeout="30")
        self.red("the visibility timeout of 30 s is under 6 × the function's 30 s")

    def test_a_function_off_its_queue(self):
        self.mapping({"Enabled": False}, {"Enabled": True})
        self.red("the function is off its queue")

    def test_failures_that_are_not_reported(self):
        self.mapping({"FunctionResponseTypes": []}, {"FunctionResponseTypes": ["ReportBatchItemFailures"]})
        self.red("the mapping does not report partial failures")

    def test_two_minds(self):
        self.variables(RPC__COMMITMENT="finalized")
        self.red("listener and function differ in SESSION_BUILDER__RPC__COMMITMENT")

    def test_nobody_listens(self):
        where = {"cluster": self.outputs["ClusterName"], "service": self.outputs["ListenerService"]}
        self.addCleanup(self.ecs.update_service, desiredCount=1, **where)
        self.ecs.update_service(desiredCount=0, **where)
        self.red("the listener is scaled to none")

    def key(self):
        """Has the function pay by a key in KMS, and its role sign with it."""
        described = boto3.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]
        self.variables(SIGNER__KIND="aws_kms", SIGNER__KMS_KEY_ID=described["Arn"], SIGNER__KMS_PUBLIC_KEY=str(self.service.wallet.pubkey()))
        return described["Arn"]

    def test_a_key_that_is_disabled(self):
        # By its id: the stand-in knows no ARN here.
        boto3.client("kms").disable_key(KeyId=self.key().rsplit("/", 1)[-1])
        self.red("the signing key .* is Disabled")

    def test_a_key_without_rights(self):
        self.key()
        self.red("the function's role .* has no right to kms:Sign")

    def test_an_empty_wallet(self):
        self.variables(SESSION_BUILDER_KEYPAIR=json.dumps(list(bytes(Keypair()))))
        self.red("has 0 lamports; its reserve and one account of 1,024 bytes need")

    def test_a_budget_for_nothing(self):
        self.variables(POLICY__LAMPORTS_PER_HOUR="1000")
        self.red("HourlyBudgetLamports 1000 is less than one account")

    def test_a_request_that_nobody_takes(self):
        """What is only seen by asking: it was queued, and no account came of it."""
        self.mapping({"Enabled": False}, {"Enabled": True})
        # Everything looks right from outside.
        checks = "import sys, smoke; smoke.function_takes_messages = lambda *_: None; smoke.CHECKS = (); smoke.main()"
        command = [TOOLS / "infra-smoke/bin/python", "-B", "-c", checks, "--stack", STACK, "--airdrop", "--timeout", "15"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT / "infra")
        self.assertRegex(done.stderr, "BROKEN  no account .* after 15 s: [1-9] messages wait in the queue and nobody takes them")


class Runbook(unittest.TestCase):
    def rehearsed(self):
        blocks = re.findall(r"^ *```sh\n( *# Rehearsed: .*?)^ *```$", RUNBOOK, re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(blocks), 5)
        return blocks

    def run_block(self, block):
        beginning = re.search(r"```sh\n(stack=.*?)```", RUNBOOK, re.DOTALL)[1].replace("stack=session-builder", f"stack={STACK}")
        # This version of the command takes a queue's URL for its endpoint unless it is told one.
        here = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }'
        script = f"set -euo pipefail\n{here}\n{beginning}\n{block}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_each_block_runs_as_it_stands(self):
        _, _, service = stage()
        # The rehearsal pays by a secret, because no stand-in has Ed25519 keys; the blocks speak of a key.
        key = boto3.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
        state = lambda: boto3.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]  # noqa: E731
        mapping = lambda: boto3.client("lambda").get_event_source_mapping(UUID=service.stack.outputs["SessionsMappingId"])["State"]  # noqa: E731
        seen, said = [], []
        for block in self.rehearsed():
            said.append(self.run_block(block.replace("$(output SigningKeyArn)", key)))
            seen.append((mapping(), state()))
        self.assertEqual(seen[:3], [("Disabled", "Enabled"), ("Disabled", "Disabled"), ("Enabled", "Enabled")])
        self.assertIn('"bad_body"', said[-1])


class WhoAskedForWhat(unittest.TestCase):
    """Who asked AWS for what, in all of the above, beside what each may."""

    # Granted, and not asked for here every time: by whom, or when, it is.
    ELSEWHERE = {
        "function": {
            "sqs:ReceiveMessage": "the event source mapping, in the function's name",
            "sqs:DeleteMessage": "the event source mapping",
            "sqs:GetQueueAttributes": "the event source mapping",
            "sqs:ChangeMessageVisibility": "an attempt that failed and is made again (aws_flow)",
            "logs:CreateLogStream": "Lambda",
            "logs:PutLogEvents": "Lambda",
            "xray:PutTraceSegments": "Lambda",
            "xray:PutTelemetryRecords": "Lambda",
            "kms:Decrypt": "Lambda, for the environment",
            "kms:Sign": "a wallet in KMS, which no stand-in has (create_with_kms)",
            "dynamodb:Query": "the ledger, now and then: which transactions are still open",
        },
        "listener": {
            "s3:ListBucket": "a watermark that does not exist would answer 403 without it",
            "s3:DeleteObject": "what was in quarantine and came after all",
        },
    }
    POLICIES = {"function": "CreateAccountsPolicy", "listener": "ListenerPolicy"}

    def granted(self, who):
        document = resolved(ListenerImageTag="v1")["Resources"][self.POLICIES[who]]["Properties"]["PolicyDocument"]
        actions = [one["Action"] for one in document["Statement"] if one["Effect"] == "Allow"]
        return {action for given in actions for action in ([given] if isinstance(given, str) else given)}

    def asked(self):
        """Actions by caller."""
        _, cloud, _ = stage()
        found = {}
        for request in cloud.recorded():
            who, service, headers = caller(request)
            if who not in self.POLICIES:
                continue
            target = headers.get("x-amz-target", "")
            if service == "s3":
                listing = "list-type" in request["url"] or request["url"].rstrip("/").count("/") < 4
                action = {"GET": "s3:ListBucket" if listing else "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "DELETE": "s3:DeleteObject", "POST": "s3:DeleteObject"}[request["method"]]
            else:
                action = f"{service}:{target.partition('.')[2]}"
            # A batch is the same right as its single call, a transaction the rights of its parts.
            parts = {"dynamodb:TransactWriteItems": {"dynamodb:PutItem", "dynamodb:DeleteItem"}}
            found.setdefault(who, set()).update(parts.get(action, {re.sub(r"^(sqs:\w+)Batch$", r"\1", action)}))
        return found

    def test_nobody_asks_for_what_he_may_not(self):
        asked = self.asked()
        print({who: sorted(actions) for who, actions in asked.items()})
        self.assertCountEqual(asked, self.POLICIES)
        for who, actions in asked.items():
            self.assertEqual(actions - self.granted(who), set(), who)

    def test_what_is_granted_is_asked_for_or_has_its_reason(self):
        asked = self.asked()
        for who in self.POLICIES:
            self.assertEqual(self.granted(who) - asked[who] - set(self.ELSEWHERE[who]), set(), who)
