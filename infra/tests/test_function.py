"""The function, its settings and its wallet."""

import tomllib
import unittest

from tests.template import ROOT, expanded, of_type, properties

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
        key = tomllib.loads((ROOT / "config.toml").read_text())["signer"]["environment_variable"]
        self.assertEqual({name for name in variables if not name.startswith(PREFIX)}, {key})

    def test_secrets_are_references_under_a_key_of_our_own(self):
        function = properties("CreateAccounts")
        self.assertEqual(function["KmsKeyArn"], {"Fn::GetAtt": ["DataKey", "Arn"]})
        variables = function["Environment"]["Variables"]
        condition, plain, secret = variables["SESSION_BUILDER_KEYPAIR"]["Fn::If"]
        self.assertEqual((condition, plain), ("UsesKms", {"Ref": "AWS::NoValue"}))
        # Without a version in it the reference would never change, and a new value never arrive.
        reference = "{{resolve:secretsmanager:${%sArn}:SecretString:::${%sVersion}}}"
        self.assertEqual(secret["Fn::Sub"], reference % ("SigningSecret", "SigningSecret"))
        condition, secret, _ = variables["SESSION_BUILDER__RPC__URL"]["Fn::If"]
        self.assertEqual(condition, "HasRpcSecret")
        self.assertEqual(secret["Fn::Sub"], reference % ("RpcUrlSecret", "RpcUrlSecret"))

    def test_the_wallet_is_a_kms_key_or_a_secret(self):
        template = expanded()
        (rule,) = template["Rules"]["OneKey"]["Assertions"]
        given = [{"Fn::Equals": [{"Ref": name}, ""]} for name in ("SigningKeyArn", "SigningSecretArn")]
        self.assertEqual(rule["Assert"], {"Fn::Or": given})
        self.assertEqual(template["Conditions"]["UsesKms"], {"Fn::Equals": [{"Ref": "SigningSecretArn"}, ""]})
        variables = properties("CreateAccounts")["Environment"]["Variables"]
        self.assertEqual(variables["SESSION_BUILDER__SIGNER__KIND"], {"Fn::If": ["UsesKms", "aws_kms", "environment"]})
        for name in ("KMS_KEY_ID", "KMS_PUBLIC_KEY"):
            self.assertEqual(variables[f"SESSION_BUILDER__SIGNER__{name}"]["Fn::If"][0], "UsesKms")

    def test_key(self):
        key = expanded()["Resources"]["SigningKey"]
        self.assertEqual(key["Properties"]["KeySpec"], "ECC_NIST_EDWARDS25519")
        self.assertEqual(key["Properties"]["KeyUsage"], "SIGN_VERIFY")
        self.assertEqual(key["DeletionPolicy"], "RetainExceptOnCreate")
        self.assertEqual(key["Condition"], "OwnsKey")

    def test_every_log_ends(self):
        for name in of_type("AWS::Logs::LogGroup"):
            self.assertEqual(properties(name)["RetentionInDays"], {"Ref": "LogRetentionDays"}, name)
        # A function without a log group of its own gets one that never ends.
        for name in of_type("AWS::Lambda::Function"):
            self.assertEqual(properties(name)["LoggingConfig"]["LogGroup"], {"Ref": f"{name.removesuffix('Function')}Logs"})
