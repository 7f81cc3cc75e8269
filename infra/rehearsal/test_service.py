"""infra/smoke against a service that works and against broken ones; the runbook's rehearsed blocks; and who asked for what.

The classes run in the order of their names: the last one looks at what all the others made the service ask for.
"""

import json
import re
import subprocess
import unittest

import boto3
from rehearsal import embedded
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


class Metrics(unittest.TestCase):
    """What CloudWatch makes of what the two have written, by the rules of its own format."""

    def test_every_line_is_of_the_format_and_alarms_look_at_what_is_told(self):
        _, _, service = stage()

        def told():
            return [line for line in embedded.lines(service.listener.text()) if "listener_cursor_slot" in line]

        # A line a minute; and the cursor moves once a minute, while the stream is complete.
        until("a line of the listener with its cursor", 190, told)
        made = {}
        for line in embedded.lines(service.listener.text()) + embedded.lines(service.function.text()):
            made |= embedded.extracted(line)
        self.assertGreater(len(embedded.lines(service.function.text())), 3)
        template = resolved(ListenerImageTag="v1")["Resources"]
        looked_at = set()
        for alarm in (one["Properties"] for one in template.values() if one["Type"] == "AWS::CloudWatch::Alarm"):
            metrics = [alarm] if "MetricName" in alarm else [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]
            for one in metrics:
                if one["Namespace"] == "SessionBuilder":
                    # The stack's name is the only thing that is not written out.
                    dimensions = {each["Name"]: STACK if each["Value"] == {"Ref": "AWS::StackName"} else each["Value"] for each in one["Dimensions"]}
                    looked_at.add((one["Namespace"], one["MetricName"], frozenset(dimensions.items())))
        print(f"{len(made)} metrics, alarms look at {sorted(name for _, name, _ in looked_at)}", end=" ... ")
        self.assertGreater(len(looked_at), 5)
        self.assertEqual(looked_at - set(made), set())
        values = {name: value for (_, name, dimensions), value in made.items() if dict(dimensions).get("Stack") == STACK}
        self.assertEqual(values["listener_connected"], 1)
        self.assertGreater(values["wallet_balance_lamports"], 0)
        self.assertGreaterEqual(values["listener_last_slot"], values["listener_cursor_slot"])

    def test_a_dead_letters_line_has_what_the_filters_look_for(self):
        _, _, service = stage()
        counted = [json.loads(line) for line in embedded.lines(service.function.text()) if '"dead_letters_total"' in line]
        self.assertIn(("bad_body", 1), [(one["reason"], one["dead_letters_total"]) for one in counted])


class Runbook(unittest.TestCase):
    def setUp(self):
        _, _, self.service = stage()
        self.outputs = self.service.stack.outputs
        self.sqs = boto3.client("sqs")

    def blocks(self):
        """The rehearsed blocks, by what they say they do."""
        blocks = re.findall(r"^ *```sh\n *(# Rehearsed: (.*?)\n.*?)^ *```$", RUNBOOK, re.MULTILINE | re.DOTALL)
        return {said: block for block, said in blocks}

    def run_block(self, block, **variables):
        beginning = re.search(r"```sh\n(stack=.*?)```", RUNBOOK, re.DOTALL)[1].replace("stack=session-builder", f"stack={STACK}")
        # This version of the command takes a queue's URL for its endpoint unless it is told one.
        here = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }'
        errand = f'errand() {{ {self.service.errand()} "$@"; }}'
        given = "\n".join(f"{name}={value}" for name, value in variables.items())
        script = f"set -euo pipefail\n{here}\n{beginning}\n{errand}\n{given}\n{block}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.strip()

    def mapping(self):
        return boto3.client("lambda").get_event_source_mapping(UUID=self.outputs["SessionsMappingId"])["State"]

    def messages(self):
        """Everything that is in the queue, seen or not."""
        found = self.sqs.get_queue_attributes(QueueUrl=self.outputs["QueueUrl"], AttributeNames=["All"])["Attributes"]
        return sum(int(found[f"ApproximateNumberOfMessages{one}"]) for one in ("", "NotVisible", "Delayed"))

    def dead_letters(self):
        found = self.sqs.get_queue_attributes(QueueUrl=self.outputs["DeadLetterQueueUrl"], AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"])

    def test_1_every_block_is_rehearsed_here(self):
        spoken = [*self.STOPPING, *self.LOST, *self.DEAD, self.QUARANTINE]
        self.assertCountEqual(self.blocks(), spoken)

    STOPPING = ("the function is off its queue.", "nobody signs any more.", "everything is as it was.")
    LOST = (
        "what the queue has lost, the chain still has.",
        "everything since that slot is in the queue again.",
        "every session that the factory knows has its account, or is queued.",
    )
    DEAD = ("reads and leaves them where they are.", "they get their attempts again.")
    QUARANTINE = "what is there, and why."

    def test_2_spending_is_stopped_and_goes_on(self):
        # The rehearsal pays by a secret, because no stand-in has Ed25519 keys; the blocks speak of a key.
        key = boto3.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
        seen = []
        for said in self.STOPPING:
            self.run_block(self.blocks()[said].replace("$(output SigningKeyArn)", key))
            seen.append((self.mapping(), boto3.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]))
        self.assertEqual(seen, [("Disabled", "Enabled"), ("Disabled", "Disabled"), ("Enabled", "Enabled")])

    def test_3_a_purged_queue_is_filled_from_the_chain_and_nothing_is_paid_twice(self):
        chain, _, _ = stage()
        mapping, wallet = self.outputs["SessionsMappingId"], self.service.wallet.pubkey()
        until("a quiet queue", 60, lambda: self.messages() == 0)
        before = chain.rpc.balance(wallet)
        self.run_block(self.blocks()[self.STOPPING[0]])
        self.addCleanup(boto3.client("lambda").update_event_source_mapping, UUID=mapping, Enabled=True)
        self.sqs.purge_queue(QueueUrl=self.outputs["QueueUrl"])
        lost, again, compared = (self.blocks()[said] for said in self.LOST)
        self.assertEqual(self.run_block(lost), "0")
        print(self.run_block(again, slot=1), end=" ... ")
        queued = self.messages()
        self.assertGreaterEqual(queued, 1)
        print(self.run_block(compared), end=" ... ")
        boto3.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=True)
        until("a queue that was worked off", 60, lambda: self.messages() == 0)
        self.assertEqual(chain.rpc.balance(wallet), before)

    def test_4_dead_letters_say_why_and_go_back(self):
        read, redrive = (self.blocks()[said] for said in self.DEAD)
        self.assertIn('"bad_body"', self.run_block(read))
        self.assertGreater(self.dead_letters(), 0)
        print(self.run_block(redrive), end=" ... ")
        # Nothing has mended this one: it comes back by itself.
        until("a dead letter", 30, self.dead_letters)

    def test_5_the_quarantine_is_read(self):
        print(self.run_block(self.blocks()[self.QUARANTINE]), end=" ... ")

    def test_6_doctor_and_wallet_work_without_a_key(self):
        for words in (["doctor"], ["wallet"]):
            done = subprocess.run([self.service.errand(), *words], capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn(str(self.service.wallet.pubkey()), done.stdout)
        # What the function has spent, by the ledger that both read.
        self.assertIn("ledger", done.stdout)

    def test_7_the_runbooks_own_command_is_one_that_aws_takes(self):
        """The stand-in starts no task, so the command line checks what it is asked, by AWS's own description, and asks nobody."""
        beginning, definition = re.findall(r"```sh\n((?:stack=|errand\(\)).*?)```", RUNBOOK, re.DOTALL)[:2]
        beginning = beginning.replace("stack=session-builder", f"stack={STACK}")
        here = """aws() {
          if [ "$2" != run-task ]; then command aws "$@"; return; fi
          printf '%s\\n' "$@"
          command aws "$@" --generate-cli-skeleton output >/dev/null
        }"""
        script = f"set -euo pipefail\n{here}\n{beginning}\n{definition}\nerrand backfill --from 5"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        words = done.stdout.splitlines()
        asked = dict(zip(words, words[1:]))
        self.assertEqual(asked["--task-definition"], self.service.stack.resources["Errand"])
        self.assertEqual(json.loads(asked["--overrides"]), {"containerOverrides": [{"name": "errand", "command": ["backfill", "--from", "5"]}]})


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
        "errand": {},
    }
    POLICIES = {"function": "CreateAccountsPolicy", "listener": "ListenerPolicy", "errand": "ErrandPolicy"}

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
