"""The listener's service, where it runs and where it keeps its cursor."""

import unittest

from tests.template import branches, expanded, properties
from tests.test_function import PREFIX, settings


class Service(unittest.TestCase):
    def test_one_on_fargate_that_rolls_back(self):
        service = properties("Listener")
        self.assertEqual((service["LaunchType"], service["DesiredCount"]), ("FARGATE", 1))
        deployment = service["DeploymentConfiguration"]
        self.assertEqual(deployment["DeploymentCircuitBreaker"], {"Enable": True, "Rollback": True})
        # A new listener is there before the old one goes.
        self.assertGreaterEqual(deployment["MinimumHealthyPercent"], 100)
        self.assertGreater(deployment["MaximumPercent"], 100)

    def test_it_waits_for_its_first_image(self):
        template = expanded()
        self.assertEqual(template["Parameters"]["ListenerImageTag"]["Default"], "")
        conditional = {name for name, resource in template["Resources"].items() if resource.get("Condition") == "HasListener"}
        self.assertEqual(conditional, {"Listener", "ListenerTask", "ListenerLag", "ListenerNotAlive"})

    def test_network_is_made_unless_one_is_given(self):
        network = properties("Listener")["NetworkConfiguration"]["AwsvpcConfiguration"]
        self.assertEqual(network["Subnets"]["Fn::If"][0], "OwnsNetwork")
        self.assertEqual(network["Subnets"]["Fn::If"][2], {"Ref": "SubnetIds"})
        self.assertEqual(expanded()["Conditions"]["OwnsNetwork"], {"Fn::Equals": [{"Ref": "VpcId"}, ""]})
        self.assertNotIn("SecurityGroupIngress", properties("ListenerSecurityGroup"))


class Container(unittest.TestCase):
    def setUp(self):
        self.task = properties("ListenerTask")
        (self.container,) = self.task["ContainerDefinitions"]

    def test_runs_on_arm(self):
        self.assertEqual(self.task["RuntimePlatform"], {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"})

    def test_has_no_rights_that_it_does_not_need(self):
        self.assertIs(self.container["ReadonlyRootFilesystem"], True)
        self.assertNotIn(self.container["User"].split(":")[0], ("0", "root"))
        self.assertEqual(self.container["LinuxParameters"], {"Capabilities": {"Drop": ["ALL"]}})

    def test_says_how_it_is(self):
        check = self.container["HealthCheck"]
        self.assertEqual(check["Command"], ["CMD", "/listener", "health"])
        self.assertEqual((check["Interval"], check["Timeout"], check["Retries"], check["StartPeriod"]), (30, 5, 3, 60))
        self.assertIs(self.container["Essential"], True)

    def test_may_drain(self):
        self.assertGreater(self.container["StopTimeout"], 10)

    def test_its_log_ends(self):
        options = self.container["LogConfiguration"]["Options"]
        self.assertEqual(options["awslogs-group"], {"Ref": "ListenerLogs"})
        self.assertEqual(properties("ListenerLogs")["RetentionInDays"], {"Ref": "LogRetentionDays"})

    def test_every_variable_is_a_setting(self):
        given = [leaf for item in self.container["Environment"] + self.container["Secrets"] for leaf in branches(item)]
        names = {variable["Name"] for variable in given}
        self.assertLessEqual(names, settings())
        self.assertIn(f"{PREFIX}LISTENER__CURSOR_URL", names)

    def test_the_url_with_a_key_comes_from_the_secret(self):
        (secret,) = self.container["Secrets"]
        condition, reference, _ = secret["Fn::If"]
        self.assertEqual(condition, "HasRpcSecret")
        version = {"Fn::Sub": "${RpcUrlSecretArn}:::${RpcUrlSecretVersion}"}
        self.assertEqual(reference, {"Name": f"{PREFIX}RPC__URL", "ValueFrom": version})


class CursorBucket(unittest.TestCase):
    def test_is_versioned_encrypted_and_closed(self):
        bucket = properties("CursorBucket")
        self.assertEqual(bucket["VersioningConfiguration"], {"Status": "Enabled"})
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        self.assertIn("SSEAlgorithm", rule["ServerSideEncryptionByDefault"])
        block = bucket["PublicAccessBlockConfiguration"]
        self.assertEqual(len(block), 4)
        self.assertTrue(all(value is True for value in block.values()))
        self.assertEqual(expanded()["Resources"]["CursorBucket"]["DeletionPolicy"], "RetainExceptOnCreate")

    def test_takes_tls_only(self):
        (statement,) = properties("CursorBucketByTlsOnly")["PolicyDocument"]["Statement"]
        self.assertEqual((statement["Effect"], statement["Principal"]), ("Deny", "*"))
        self.assertEqual(statement["Action"], "s3:*")
        self.assertEqual(statement["Resource"], [{"Fn::GetAtt": ["CursorBucket", "Arn"]}, {"Fn::Sub": "${CursorBucket.Arn}/*"}])
        self.assertEqual(statement["Condition"], {"Bool": {"aws:SecureTransport": "false"}})
        self.assertEqual(properties("CursorBucketByTlsOnly")["Bucket"], {"Ref": "CursorBucket"})
