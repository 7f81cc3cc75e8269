"""What scanners of policies say of the template, and what they cannot know: who may do what, and why."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from tests.template import SOURCE, branches, expanded, of_type, properties, resolved

CHECKOV = Path(os.environ["INFRA_SCANNERS"]) / "bin/checkov"
# Findings that stand, each with its reason. One that is found no longer has to go from here.
ACCEPTED = {
    "CKV_AWS_18": "who reads the watermark is no secret: it holds a slot number",
    "CKV_AWS_27": "the queues are encrypted by SQS's own key; a key of ours would cost a request a message and hide nothing more",
    "CKV_AWS_65": "container insights cost more than the listener",
    "CKV_AWS_115": "the mapping's concurrency bounds the function; reserving would take it from the account for nothing",
    "CKV_AWS_116": "no function here is called asynchronously but the stop, whose failure is an alarm that keeps ringing",
    "CKV_AWS_117": "in a VPC the functions would need a NAT to reach the RPC",
    "CKV_AWS_119": "the ledger holds amounts and addresses that are on the chain",
    "CKV_AWS_136": "the image holds no secret",
    "CKV_AWS_158": "the logs hold no secret",
    "CKV_AWS_173": "the stop's only variable is the id of a mapping",
}


def statements(document):
    return [leaf for statement in document["Statement"] for leaf in branches(statement)]


def documents():
    """Every policy document of the template, by the resource that it stands in."""
    for name, resource in expanded()["Resources"].items():
        given = resource.get("Properties", {})
        for key in ("PolicyDocument", "KeyPolicy"):
            if key in given:
                yield name, given[key]
        for policy in given.get("Policies", []):
            yield name, policy["PolicyDocument"]


class Scanner(unittest.TestCase):
    def test_checkov_finds_only_what_is_accepted(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "template.json"
            file.write_text(json.dumps(resolved(ListenerImageTag="v1", AlertEmail="you@example.com")))
            command = [CHECKOV, "--framework", "cloudformation", "--file", file, "--output", "json", "--skip-download"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        report = json.loads(done.stdout)
        self.assertEqual(report["summary"]["parsing_errors"], 0)
        self.assertGreater(report["summary"]["passed"], 100)
        found = {}
        for one in report["results"]["failed_checks"]:
            found.setdefault(one["check_id"], []).append(one["resource"])
        self.assertEqual({check: found[check] for check in found if check not in ACCEPTED}, {})
        self.assertEqual({check for check in ACCEPTED if check not in found}, set())


class Rights(unittest.TestCase):
    def test_every_wildcard_has_its_reason_beside_it(self):
        wildcard = re.compile(r"^ +-? ?(Action|Resource|Principal): .*\*")
        lines = [line for line in SOURCE.read_text().splitlines() if wildcard.match(line)]
        self.assertGreater(len(lines), 5)
        for line in lines:
            self.assertRegex(line, r" # [A-Z].+\.$")

    def test_actions_are_wild_only_where_they_are_denied_or_the_account_keeps_its_keys(self):
        for name, document in documents():
            for statement in statements(document):
                if "*" in str(statement["Action"]):
                    self.assertTrue(statement["Effect"] == "Deny" or statement["Sid"] == "AccountDecidesByIam", name)

    def test_one_role_signs_and_only_by_ed25519(self):
        signing = [(name, one) for name, document in documents() for one in statements(document) if "kms:Sign" in one["Action"] and one["Effect"] == "Allow"]
        self.assertEqual({name for name, _ in signing}, {"CreateAccountsPolicy"})
        for _, statement in signing:
            self.assertEqual(statement["Condition"], {"StringEquals": {"kms:SigningAlgorithm": "ED25519_SHA_512"}})

    def test_the_key_denies_everybody_but_the_function_and_the_break_glass(self):
        deny = [one for one in statements(properties("SigningKey")["KeyPolicy"]) if one["Effect"] == "Deny"]
        (statement,) = deny
        self.assertEqual((statement["Principal"], statement["Resource"]), ("*", "*"))
        self.assertLessEqual({"kms:Sign", "kms:CreateGrant", "kms:ReplicateKey"}, set(statement["Action"]))
        role, break_glass = statement["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
        self.assertEqual(role, {"Fn::GetAtt": ["CreateAccountsRole", "Arn"]})
        self.assertEqual(break_glass["Fn::If"][:2], ["HasBreakGlass", {"Ref": "BreakGlassArn"}])

    def test_during_a_rotation_both_keys_sign(self):
        old, new = "arn:aws:kms:eu-central-1:123456789012:key/old", "arn:aws:kms:eu-central-1:123456789012:key/new"
        template = resolved(SigningKeyArn=new, PreviousSigningKeyArn=old)
        document = template["Resources"]["CreateAccountsPolicy"]["Properties"]["PolicyDocument"]
        keys = [one["Resource"]["Ref"] for one in document["Statement"] if one["Action"] == "kms:Sign"]
        self.assertEqual(keys, ["SigningKeyArn", "PreviousSigningKeyArn"])

    def test_no_role_has_a_policy_of_aws(self):
        for name in of_type("AWS::IAM::Role"):
            self.assertNotIn("ManagedPolicyArns", properties(name), name)
