"""The function, its settings and its wallet."""

import tomllib
import unittest

from tests.template import ROOT, expanded, properties

PREFIX = "SESSION_BUILDER__"


def settings():
    """The environment variables that config.toml knows."""
    sections = tomllib.loads((ROOT / "config.toml").read_text())
    return {f"{PREFIX}{section}__{key}".upper() for section, keys in sections.items() for key in keys}


class Function(unittest.TestCase):
    def test_runtime_and_architecture(self):
        function = properties("CreateAccounts")
        self.assertEqual(function["Runtime"], "provided.al2023")
        self.assertEqual(function["Architectures"], [{"Ref": "Architecture"}])
        parameter = expanded()["Parameters"]["Architecture"]
        self.assertEqual((parameter["Default"], parameter["AllowedValues"]), ("arm64", ["arm64", "x86_64"]))
        self.assertEqual(function["TracingConfig"], {"Mode": "Active"})

    def test_every_variable_is_a_setting(self):
        variables = properties("CreateAccounts")["Environment"]["Variables"]
        self.assertLessEqual({name for name in variables if name.startswith(PREFIX)}, settings())
        self.assertEqual({name for name in variables if not name.startswith(PREFIX)}, {"SESSION_BUILDER_KEYPAIR"})

    def test_secrets_are_references_under_a_key_of_our_own(self):
        function = properties("CreateAccounts")
        self.assertEqual(function["KmsKeyArn"], {"Fn::GetAtt": ["DataKey", "Arn"]})
        variables = function["Environment"]["Variables"]
        condition, plain, secret = variables["SESSION_BUILDER_KEYPAIR"]["Fn::If"]
        self.assertEqual((condition, plain), ("UsesKms", {"Ref": "AWS::NoValue"}))
        self.assertTrue(secret["Fn::Sub"].startswith("{{resolve:secretsmanager:"))
        condition, secret, _ = variables["SESSION_BUILDER__RPC__URL"]["Fn::If"]
        self.assertEqual(condition, "HasRpcSecret")
        self.assertTrue(secret["Fn::Sub"].startswith("{{resolve:secretsmanager:"))

    def test_key(self):
        key = expanded()["Resources"]["SigningKey"]
        self.assertEqual(key["Properties"]["KeySpec"], "ECC_NIST_EDWARDS25519")
        self.assertEqual(key["Properties"]["KeyUsage"], "SIGN_VERIFY")
        self.assertEqual(key["DeletionPolicy"], "RetainExceptOnCreate")
        self.assertEqual(key["Condition"], "OwnsKey")

    def test_its_log_is_its_own_and_ends(self):
        self.assertEqual(properties("CreateAccounts")["LoggingConfig"]["LogGroup"], {"Ref": "CreateAccountsLogs"})
        self.assertEqual(properties("CreateAccountsLogs")["RetentionInDays"], {"Ref": "LogRetentionDays"})
