"""Asks a deployed service for one session and follows it to its account; or says what is wrong with the deployment.

    infra/smoke --stack NAME [--rpc-url URL] [--airdrop | --keypair FILE] [--timeout SECONDS] [--check-only]

Everything that can be looked at is looked at before anything is asked for, so that a stack that cannot work says why at
once. Each check names the cause, and what to change.
"""

import argparse
import base64
import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from functools import cached_property

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction

PREFIX = "SESSION_BUILDER__"
SYSTEM_PROGRAM = Pubkey.default()
# A request costs its entry's rent and a fee; ten million lamports are enough at any rent that has been planned.
THROW_AWAY_LAMPORTS = 10_000_000
# Bytes that every account pays rent for beside its data.
ACCOUNT_OVERHEAD_BYTES = 128
# AWS advises it for queues that feed functions.
VISIBILITY_TIMES_TIMEOUT = 6
ATTEMPTS = 5


class Broken(Exception):
    """The deployment cannot work; the sentence says why and what to change."""


def tell(*words):
    print(*words, flush=True)


class Chain:
    """A cluster's JSON-RPC."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, *parameters):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer = json.load(response)
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            # The address may hold an API key, so only its host is named.
            host = self.url.split("/")[2].split("@")[-1]
            raise Broken(f"the RPC endpoint {host} does not answer {method}: {error}; set RpcUrl or its secret") from None
        if "error" in answer:
            raise Broken(f"the RPC endpoint refuses {method}: {answer['error']['message']}")
        return answer["result"]

    def account(self, address):
        return self.ask("getAccountInfo", str(address), {"encoding": "base64", "commitment": "confirmed"})["value"]

    def balance(self, address):
        return self.ask("getBalance", str(address), {"commitment": "confirmed"})["value"]

    def send(self, instruction, payer):
        latest = self.ask("getLatestBlockhash", {"commitment": "confirmed"})["value"]["blockhash"]
        blockhash = Hash.from_string(latest)
        message = Message.new_with_blockhash([instruction], payer.pubkey(), blockhash)
        transaction = Transaction([payer], message, blockhash)
        options = {"encoding": "base64", "preflightCommitment": "confirmed"}
        return self.ask("sendTransaction", base64.b64encode(bytes(transaction)).decode(), options)

    def landed(self, signature, deadline):
        """The slot in which a transaction succeeded."""
        while time.monotonic() < deadline:
            (status,) = self.ask("getSignatureStatuses", [signature])["value"]
            if status and status["confirmationStatus"] in ("confirmed", "finalized"):
                if status["err"] is not None:
                    raise Broken(f"the request {signature} failed on chain: {status['err']}")
                return status["slot"]
            time.sleep(0.5)
        raise Broken(f"the request {signature} has not landed; the cluster is busy, or the endpoint drops transactions")


class Deployment:
    """A stack, as AWS describes it."""

    def __init__(self, stack):
        self.stack = stack

    @cached_property
    def outputs(self):
        try:
            (found,) = boto3.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            raise Broken(f"there is no stack {self.stack} here: {error}") from None
        return {out["OutputKey"]: out["OutputValue"] for out in found.get("Outputs", [])}

    @cached_property
    def function(self):
        return boto3.client("lambda").get_function_configuration(FunctionName=self.outputs["FunctionName"])

    def setting(self, name):
        return self.function["Environment"]["Variables"].get(PREFIX + name, "")

    @cached_property
    def listener(self):
        """The variables of the listener's task."""
        if "ListenerService" not in self.outputs:
            raise Broken("the stack has no listener: deploy it with ListenerImageTag")
        ecs = boto3.client("ecs")
        service = self.outputs["ListenerService"]
        (found,) = ecs.describe_services(cluster=self.outputs["ClusterName"], services=[service])["services"]
        task = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
        (container,) = task["containerDefinitions"]
        return found, {one["name"]: one.get("value", "") for one in container["environment"]}

    @cached_property
    def queue(self):
        return self.attributes(self.outputs["QueueUrl"])

    def attributes(self, url):
        return boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    @cached_property
    def mapping(self):
        return boto3.client("lambda").get_event_source_mapping(UUID=self.outputs["SessionsMappingId"])


def programs_are_there(deployment, chain):
    factory = Pubkey.from_string(deployment.setting("SERVICE__PROGRAM_ID"))
    found = chain.account(factory)
    if not found or not found["executable"]:
        raise Broken(f"ProgramId {factory} is no program on this cluster: nobody deployed it, or RpcUrl is of another cluster")
    state, _ = Pubkey.find_program_address([b"session_factory"], factory)
    if not chain.account(state):
        raise Broken(f"the factory {factory} was never initialised: its state {state} does not exist")
    for owner in deployment.setting("POLICY__ALLOWED_OWNER_PROGRAMS").split(","):
        found = chain.account(owner)
        if not found or not found["executable"]:
            raise Broken(f"{owner} in AllowedOwnerPrograms is no program on this cluster, so no account can be created for it")


def queue_gives_up_in_time(deployment, _):
    policy = json.loads(deployment.queue.get("RedrivePolicy", "{}"))
    if not policy:
        raise Broken("the queue has no redrive policy: a message that crashes the function would come back for ever")
    dead_letters = deployment.attributes(deployment.outputs["DeadLetterQueueUrl"])["QueueArn"]
    if policy["deadLetterTargetArn"] != dead_letters:
        raise Broken(f"the queue's dead letters go to {policy['deadLetterTargetArn']}, not to the stack's {dead_letters}")
    if int(policy["maxReceiveCount"]) < ATTEMPTS:
        raise Broken(f"the queue gives a message {policy['maxReceiveCount']} receives; the service makes {ATTEMPTS} attempts")


def visibility_outlasts_the_function(deployment, _):
    visibility, timeout = int(deployment.queue["VisibilityTimeout"]), deployment.function["Timeout"]
    if visibility < VISIBILITY_TIMES_TIMEOUT * timeout:
        raise Broken(
            f"the visibility timeout of {visibility} s is under {VISIBILITY_TIMES_TIMEOUT} × the function's {timeout} s: "
            "a message comes back while it is being handled"
        )


def function_takes_messages(deployment, _):
    mapping = deployment.mapping
    if mapping["State"] not in ("Enabled", "Enabling", "Updating", "Creating"):
        raise Broken(f"the function is off its queue ({mapping['State']}): somebody, or the alarm SpendRate, stopped spending")
    if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
        raise Broken("the mapping does not report partial failures: one failed message would delete or repeat its whole batch")
    if mapping["EventSourceArn"] != deployment.queue["QueueArn"]:
        raise Broken(f"the mapping feeds from {mapping['EventSourceArn']}, not from the stack's queue")


def function_and_listener_agree(deployment, _):
    service, listener = deployment.listener
    if service["desiredCount"] < 1:
        raise Broken("the listener is scaled to none: nobody listens")
    for name in ("QUEUE__URL", "SERVICE__PROGRAM_ID", "POLICY__ALLOWED_OWNER_PROGRAMS", "RPC__COMMITMENT"):
        if listener.get(PREFIX + name) != deployment.setting(name):
            raise Broken(f"listener and function differ in {PREFIX}{name}: {listener.get(PREFIX + name)!r} and {deployment.setting(name)!r}")
    if deployment.setting("QUEUE__URL") != deployment.outputs["QueueUrl"]:
        raise Broken(f"the function's queue is {deployment.setting('QUEUE__URL')}, not the stack's {deployment.outputs['QueueUrl']}")


def key_can_sign(deployment, _):
    if deployment.setting("SIGNER__KIND") != "aws_kms":
        return
    key = deployment.setting("SIGNER__KMS_KEY_ID")
    described = boto3.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    if described["KeyState"] != "Enabled":
        raise Broken(f"the signing key {key} is {described['KeyState']}; aws kms enable-key --key-id {key}")
    role, iam = deployment.function["Role"].rsplit("/", 1)[-1], boto3.client("iam")
    allowed = []
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        for statement in iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]["Statement"]:
            actions, resources = ([one] if isinstance(one, str) else one for one in (statement["Action"], statement["Resource"]))
            if statement["Effect"] == "Allow" and "kms:Sign" in actions:
                allowed += resources
    if key not in allowed and described["Arn"] not in allowed:
        raise Broken(f"the function's role {role} has no right to kms:Sign with {key}")


def ledger_is_there(deployment, _):
    table = deployment.outputs["LedgerTableName"]
    try:
        status = boto3.client("dynamodb").describe_table(TableName=table)["Table"]["TableStatus"]
    except ClientError as error:
        raise Broken(f"the ledger {table} cannot be read: {error}") from None
    if status not in ("ACTIVE", "UPDATING"):
        raise Broken(f"the ledger {table} is {status}")


def wallet_has_money(deployment, chain):
    wallet = deployment.setting("SIGNER__KMS_PUBLIC_KEY")
    if not wallet:
        secret = deployment.function["Environment"]["Variables"].get("SESSION_BUILDER_KEYPAIR")
        if not secret:
            raise Broken("the function has neither a KMS key nor a secret to pay with")
        wallet = str(keypair(secret).pubkey())
    account = chain.ask("getMinimumBalanceForRentExemption", 1_024)
    needed = int(deployment.setting("POLICY__WALLET_RESERVE_LAMPORTS")) + account
    held = chain.balance(wallet)
    if held < needed:
        raise Broken(f"the wallet {wallet} has {held} lamports; its reserve and one account of 1,024 bytes need {needed}")


def policy_has_room(deployment, chain):
    budget = int(deployment.setting("POLICY__LAMPORTS_PER_HOUR") or 0)
    account = chain.ask("getMinimumBalanceForRentExemption", 1_024)
    if budget and budget < account:
        raise Broken(f"HourlyBudgetLamports {budget} is less than one account of 1,024 bytes costs ({account})")


CHECKS = (
    programs_are_there,
    queue_gives_up_in_time,
    visibility_outlasts_the_function,
    function_takes_messages,
    function_and_listener_agree,
    key_can_sign,
    ledger_is_there,
    wallet_has_money,
    policy_has_room,
)


def keypair(text):
    """A key as Solana's tools write it: a JSON array, or base58."""
    text = text.strip()
    return Keypair.from_bytes(bytes(json.loads(text))) if text.startswith("[") else Keypair.from_base58_string(text)


def discriminator(instruction):
    return hashlib.sha256(f"global:{instruction}".encode()).digest()[:8]


def borsh_string(text):
    return len(text.encode()).to_bytes(4, "little") + text.encode()


def request_of(factory, owner_program, requester, session_id):
    """The factory's request_session_creation, for a session that the requester owns."""
    owner = requester.pubkey()
    state, _ = Pubkey.find_program_address([b"session_factory"], factory)
    entry, _ = Pubkey.find_program_address([b"session_entry", bytes(owner), session_id.encode()], factory)
    data = discriminator("request_session_creation") + bytes(owner) + bytes(owner_program) + borsh_string(session_id)
    data += (0).to_bytes(4, "little") + bytes(owner_program)
    accounts = [
        AccountMeta(owner, is_signer=True, is_writable=True),
        AccountMeta(state, is_signer=False, is_writable=True),
        AccountMeta(entry, is_signer=False, is_writable=True),
        AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False),
    ]
    return Instruction(factory, data, accounts)


def why_not(deployment, address, patience):
    """What the queues know of a session that has no account."""
    sqs = boto3.client("sqs")
    url = deployment.outputs["DeadLetterQueueUrl"]
    letters = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"], WaitTimeSeconds=1
    )
    for letter in letters.get("Messages", []):
        if str(address) in letter["Body"]:
            said = {name: one.get("StringValue") for name, one in letter.get("MessageAttributes", {}).items()}
            return f"it is a dead letter: {said.get('reason', 'no reason')}: {said.get('sentence', 'SQS gave it up by itself')}"
    counts = deployment.attributes(deployment.outputs["QueueUrl"])
    waiting, flying, later = (
        int(counts.get(f"ApproximateNumberOfMessages{one}", 0)) for one in ("", "NotVisible", "Delayed")
    )
    if waiting:
        return f"{waiting} messages wait in the queue and nobody takes them: is the function throttled?"
    if flying or later:
        return f"{flying} messages are being handled or wait for their next attempt: the function's log says why the last one failed"
    return f"nothing was queued in {patience} s: the listener does not see the factory's events; its log says why"


def payer_of(arguments, chain, deadline):
    if arguments.keypair:
        with open(arguments.keypair, encoding="utf-8") as file:
            return keypair(file.read())
    payer = Keypair()
    tell(f"  throw-away key   {payer.pubkey()}")
    if not arguments.airdrop:
        raise Broken("nobody pays for the request: give --keypair FILE, or --airdrop where the cluster has a faucet")
    signature = chain.ask("requestAirdrop", str(payer.pubkey()), 100 * THROW_AWAY_LAMPORTS)
    while chain.balance(payer.pubkey()) < THROW_AWAY_LAMPORTS:
        if time.monotonic() > deadline:
            raise Broken(f"the faucet's transaction {signature} has not landed")
        time.sleep(0.5)
    return payer


def follow(deployment, chain, arguments):
    """One session, from its request to its account."""
    deadline = time.monotonic() + arguments.timeout
    factory = Pubkey.from_string(deployment.setting("SERVICE__PROGRAM_ID"))
    owner_program = Pubkey.from_string(deployment.setting("POLICY__ALLOWED_OWNER_PROGRAMS").split(",")[0])
    payer = payer_of(arguments, chain, deadline)
    session_id = f"smoke-{os.urandom(8).hex()}"
    address, _ = Pubkey.find_program_address([b"session", bytes(payer.pubkey()), session_id.encode()], owner_program)
    tell(f"  session          {session_id}\n  its account      {address}, owned by {owner_program}")
    asked = time.monotonic()
    signature = chain.send(request_of(factory, owner_program, payer, session_id), payer)
    slot = chain.landed(signature, deadline)
    tell(f"  requested        {signature}, slot {slot}, after {time.monotonic() - asked:.1f} s")
    while not (account := chain.account(address)):
        if time.monotonic() > deadline:
            raise Broken(f"no account {address} after {arguments.timeout} s: {why_not(deployment, address, arguments.timeout)}")
        time.sleep(0.5)
    if account["owner"] != str(owner_program):
        raise Broken(f"{address} belongs to {account['owner']}, not to {owner_program}")
    made = chain.ask("getSignaturesForAddress", str(address), {"commitment": "confirmed"})
    by = f"by {made[-1]['signature']}, slot {made[-1]['slot']} ({made[-1]['slot'] - slot} slots later), " if made else ""
    tell(f"  created          {by}{time.monotonic() - asked:.1f} s after the request")
    tell(f"  account          {account['space']} bytes, {account['lamports']} lamports")


def main():
    parser = argparse.ArgumentParser(prog="infra/smoke", description=__doc__.splitlines()[0])
    parser.add_argument("--stack", required=True, help="the CloudFormation stack")
    parser.add_argument("--rpc-url", help="JSON-RPC of the cluster; the function's if absent")
    parser.add_argument("--keypair", help="file of the key that requests and pays; a throw-away one if absent")
    parser.add_argument("--airdrop", action="store_true", help="have the cluster's faucet pay the throw-away key")
    parser.add_argument("--timeout", type=int, default=60, help="seconds until the account must be there")
    parser.add_argument("--check-only", action="store_true", help="look, and request nothing")
    arguments = parser.parse_args()
    try:
        deployment = Deployment(arguments.stack)
        chain = Chain(arguments.rpc_url or deployment.setting("RPC__URL"))
        for check in CHECKS:
            check(deployment, chain)
            tell(f"ok  {check.__name__.replace('_', ' ')}")
        if not arguments.check_only:
            follow(deployment, chain, arguments)
    except Broken as broken:
        sys.exit(f"BROKEN  {broken}")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"BROKEN  AWS does not answer: {error}")
    tell("the service works" if not arguments.check_only else "nothing is wrong that can be seen from here")


if __name__ == "__main__":
    main()
