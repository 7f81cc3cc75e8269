"""What a month of Session Builder costs: prices, quantities and their product, as the tables in README.md.

Prices are those of us-east-1 in US dollars, without any free tier. AWS's own pages, aws.amazon.com/SERVICE/pricing, fill in
most of their numbers by a script, so that a stored copy of them has the words and no number; those that say theirs in a
sentence are the source here, and for the others a page that quotes them. Quantities err upwards: every session is an
invocation and a transaction of its own, though batches share both.
"""

import json
import sys
import urllib.request
from dataclasses import dataclass

SESSIONS_A_DAY = (10, 1_000, 100_000)
# Where other things begin to count; README.md says which.
MANY_SESSIONS_A_DAY = 10_000_000

DAYS = 365 / 12
HOURS = 24 * DAYS
SECONDS = 3600 * HOURS


@dataclass(frozen=True)
class Price:
    """What something costs, who says so, and when that was written or last read."""

    dollars: float
    unit: str
    source: str
    dated: str


PRICES = {
    "Fargate on ARM, processor": Price(0.03238, "vCPU and hour", "vantage.sh/blog/fargate-pricing", "2026-11"),
    "Fargate on ARM, memory": Price(0.00356, "GB and hour", "vantage.sh/blog/fargate-pricing", "2026-11"),
    "Public IPv4 address": Price(0.005, "hour", "AWS's news blog, since 2024-02", "2026-11"),
    "Lambda, invocation": Price(0.20 / 1e6, "invocation", "AWS, \"How AWS Pricing Works\"", "2026-11"),
    "Lambda on ARM, duration": Price(0.0000133334, "GB and second", "cloudchipr.com/blog/aws-lambda-pricing", "2026-11"),
    "SQS": Price(0.40 / 1e6, "request", "cloudburn.io/blog/amazon-sqs-pricing", "2026-03"),
    "S3, write or list": Price(0.005 / 1000, "request", "c3x.dev/blog/s3-request-fees-explained", "2026-11"),
    "KMS, key": Price(1.00, "key and month", "aws.amazon.com/kms/pricing", "2026-11"),
    "KMS, signature by an ECC key": Price(
        0.15 / 1e4, "request", "factualminds.com/blog/aws-kms-pricing-keys-requests-multi-region", "2026-06"
    ),
    "CloudWatch, logs taken in": Price(0.50, "GB", "cloudburn.io/blog/amazon-cloudwatch-pricing", "2026-02"),
    "CloudWatch, logs kept": Price(0.03, "GB and month", "cloudburn.io/blog/amazon-cloudwatch-pricing", "2026-02"),
    "CloudWatch, metric": Price(0.30, "metric and month", "signoz.io/guides/cloudwatch-pricing", "2026-02"),
    "CloudWatch, alarm": Price(0.10, "metric that it looks at, and month", "signoz.io/guides/cloudwatch-pricing", "2026-02"),
    "CloudWatch, dashboard": Price(3.00, "dashboard and month", "signoz.io/guides/cloudwatch-pricing", "2026-02"),
    "DynamoDB on demand": Price(0.625 / 1e6, "write", "AWS DynamoDB on-demand pricing, since 2024-11", "2026-11"),
    "Secrets Manager": Price(0.40, "secret and month", "AWS Secrets Manager pricing", "2026-11"),
    "X-Ray": Price(5.00 / 1e6, "trace", "AWS X-Ray pricing", "2026-11"),
    "Data out": Price(0.09, "GB", "cloudburn.io/blog/amazon-ecr-pricing", "2026-03"),
    "ECR": Price(0.10, "GB and month", "cloudburn.io/blog/amazon-ecr-pricing", "2026-03"),
}


def price(name):
    return PRICES[name].dollars


# The listener: a quarter of a processor and half a gigabyte.
FARGATE_HOUR = 0.25 * price("Fargate on ARM, processor") + 0.5 * price("Fargate on ARM, memory")

# The function: 256 MB for the two seconds that a transaction takes to be confirmed and read back.
INVOCATION_SECONDS = 2

# The queue: send, receive and delete. The event source mapping has five pollers, which wait 20 s each time; they become no
# fewer where its concurrency is limited (Lambda's guide, "Configuring scaling behavior for SQS event source mappings").
REQUESTS_A_SESSION = 3
IDLE_POLLS = 5 * SECONDS / 20

# The watermark moves with each listing of the chain, once a minute while the stream is complete; and the listener looks every 15 s
# whether anything is in quarantine. One listener alone keeps no lease.
WATERMARK_SAVES = SECONDS / 60
QUARANTINE_LOOKS = SECONDS / 15

# The wallet's and the one that encrypts the environment, whose yearly rotation adds $1 a month for the first and the second of
# them; and a signature a session, at five times a symmetric key's price.
KEYS = 2

# Two lines a minute from the listener, for people and for CloudWatch, and what a session leaves behind: a line of the
# listener, and of the function its start, report, result and metrics. Taken in, and kept for 30 days.
MINUTES_LINES_BYTES = 1_200
SESSION_LOG_BYTES = 6_000

# Those that the listener tells and those that metric filters make are always there; the function's thirty in the hours in which
# it runs. An alarm costs by the metrics that it looks at.
METRICS_ALWAYS = 10
METRICS_OF_THE_FUNCTION = 30
METRICS_OF_ALARMS = 15

# What goes out to the RPC: an idle listener's requests, as docs/sizing.md has them measured, and for each session its
# transaction, repeats and questions.
IDLE_REQUESTS = 600 * HOURS
REQUEST_BYTES = 1_000
SESSION_BYTES_OUT = 10_000

# Ten images of 30 MB. Those with a tag are kept until somebody deletes them.
IMAGE_GIGABYTES = 10 * 0.03

# The ledger: a hold is placed and settled, and each is a write to the budget, to its owner's and of the hold itself, in
# transactions, which count twice.
LEDGER_WRITES_A_SESSION = 2 * 3 * 2

# What Solana takes, in lamports. A session's account has 162 bytes and what its id and namespaces need: 200 for an id of
# 20 bytes and a namespace of 8. Rent is for the account and 128 bytes that every one has. The price of a byte falls in
# steps (SIMD-0437): 6,960 before September 2026 and again if SIMD-0438 raises it, 5,080 on mainnet in November 2026, 696
# at the end. Given an RPC's address, this script asks what it is now.
ACCOUNT_BYTES = 200
RENT_OVERHEAD_BYTES = 128
LAMPORTS_A_BYTE = (6_960, 5_080, 696)
SIGNATURE_LAMPORTS = 5_000
LAMPORTS_A_SOL = 1e9


@dataclass(frozen=True)
class Item:
    """One line of the bill."""

    name: str
    arithmetic: str
    dollars: float


def month(sessions_a_day):
    """The items of one month."""
    sessions = sessions_a_day * DAYS
    busy = min(sessions_a_day, 24) / 24
    requests = REQUESTS_A_SESSION * sessions + IDLE_POLLS
    log_gigabytes = (HOURS * 60 * MINUTES_LINES_BYTES + sessions * SESSION_LOG_BYTES) / 1e9
    logs = log_gigabytes * (price("CloudWatch, logs taken in") + price("CloudWatch, logs kept"))
    gigabytes_out = (IDLE_REQUESTS * REQUEST_BYTES + sessions * SESSION_BYTES_OUT) / 1e9
    duration = 0.25 * INVOCATION_SECONDS * price("Lambda on ARM, duration")
    metrics = (METRICS_ALWAYS + METRICS_OF_THE_FUNCTION * busy) * price("CloudWatch, metric")
    watching = METRICS_OF_ALARMS * price("CloudWatch, alarm") + price("CloudWatch, dashboard")
    s3 = (WATERMARK_SAVES + QUARANTINE_LOOKS) * price("S3, write or list")
    return [
        Item("Fargate", "730 h × (0.25 vCPU × $0.03238 + 0.5 GB × $0.00356)", HOURS * FARGATE_HOUR),
        Item("Public address", "730 h × $0.005", HOURS * price("Public IPv4 address")),
        Item("Lambda", "sessions × ($0.20 / 10⁶ + 2 s × 0.25 GB × $0.0000133334)", sessions * (price("Lambda, invocation") + duration)),
        Item("SQS", "(sessions × 3 + 657,000 idle polls) × $0.40 / 10⁶", requests * price("SQS")),
        Item("S3", "(43,800 watermark saves + 175,200 looks at the quarantine) × $0.005 / 10³", s3),
        Item("KMS", "2 keys × $1 + sessions × $0.15 / 10⁴", KEYS * price("KMS, key") + sessions * price("KMS, signature by an ECC key")),
        Item("Logs", "(43,800 × 1.2 kB + sessions × 6 kB) × ($0.50 + $0.03) / GB", logs),
        Item("Metrics", "(10 + 30 × share of hours with sessions) × $0.30", metrics),
        Item("Alarms, dashboard", "15 × $0.10 + $3", watching),
        Item("DynamoDB", "sessions × 12 writes × $0.625 / 10⁶", sessions * LEDGER_WRITES_A_SESSION * price("DynamoDB on demand")),
        Item("Secret", "1 × $0.40", price("Secrets Manager")),
        Item("X-Ray", "sessions × $5 / 10⁶", sessions * price("X-Ray")),
        Item("Data out", "(438,000 × 1 kB + sessions × 10 kB) × $0.09 / GB", gigabytes_out * price("Data out")),
        Item("ECR", "10 images × 30 MB × $0.10 / GB", IMAGE_GIGABYTES * price("ECR")),
    ]


def table():
    """All months side by side, in Markdown."""
    months = [month(sessions) for sessions in SESSIONS_A_DAY]
    heads = " | ".join(f"{sessions:,} a day" for sessions in SESSIONS_A_DAY)
    lines = [f"| item | arithmetic | {heads} |", "|---|---|" + "--:|" * len(months)]
    for items in zip(*months):
        costs = " | ".join(f"${item.dollars:,.2f}" for item in items)
        lines.append(f"| {items[0].name} | {items[0].arithmetic} | {costs} |")
    totals = [sum(item.dollars for item in items) for items in months]
    lines.append("| **Month** | | " + " | ".join(f"**${total:,.2f}**" for total in totals) + " |")
    each = (total / sessions / DAYS for total, sessions in zip(totals, SESSIONS_A_DAY))
    lines.append("| A session | month / sessions | " + " | ".join(f"${dollars:,.5f}" for dollars in each) + " |")
    return "\n".join(lines)


def lamports(price_of_a_byte):
    """What one session takes from the wallet, in a transaction of its own."""
    return (ACCOUNT_BYTES + RENT_OVERHEAD_BYTES) * price_of_a_byte + SIGNATURE_LAMPORTS


def todays_price(url):
    """What a byte costs now, by the cluster's own word."""
    ask = {"jsonrpc": "2.0", "id": 1, "method": "getMinimumBalanceForRentExemption", "params": [ACCOUNT_BYTES]}
    request = urllib.request.Request(url, json.dumps(ask).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["result"] // (ACCOUNT_BYTES + RENT_OVERHEAD_BYTES)


def chain_table(prices=LAMPORTS_A_BYTE):
    """What the wallet spends in a month, in Markdown."""
    heads = " | ".join(f"{sessions:,} a day" for sessions in (*SESSIONS_A_DAY, MANY_SESSIONS_A_DAY))
    lines = [f"| lamports a byte | a session | {heads} |", "|--:|--:|" + "--:|" * (len(SESSIONS_A_DAY) + 1)]
    for price in prices:
        sol = [sessions * DAYS * lamports(price) / LAMPORTS_A_SOL for sessions in (*SESSIONS_A_DAY, MANY_SESSIONS_A_DAY)]
        lines.append(f"| {price:,} | {lamports(price):,} lamports | " + " | ".join(f"{one:,.2f} SOL" for one in sol) + " |")
    return "\n".join(lines)


def price_table():
    """Every price with its source and date, in Markdown."""
    lines = ["| price | dollars | a | source | as of |", "|---|--:|---|---|---|"]
    for name, one in PRICES.items():
        dollars = f"{one.dollars:.10f}".rstrip("0")
        dollars += "0" * max(0, 2 - len(dollars.partition(".")[2]))
        lines.append(f"| {name} | ${dollars} | {one.unit} | {one.source} | {one.dated} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
    print()
    print(price_table())
    print()
    print(chain_table(LAMPORTS_A_BYTE if len(sys.argv) < 2 else (todays_price(sys.argv[1]),)))
