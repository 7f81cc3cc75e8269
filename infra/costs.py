"""What a month of Session Builder costs: prices, quantities and their product, as the tables in README.md.

Prices are those of us-east-1 in US dollars, without any free tier. Beside each stands the page that names it, and when
that page was written or last read; AWS's own are at aws.amazon.com/SERVICE/pricing. Quantities err upwards: every session
is an invocation and a transaction of its own, though batches share both.
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

# The listener: a quarter of a processor and half a gigabyte on ARM (vantage.sh/blog/fargate-pricing, 2026-11), and the
# address by which it reaches the internet (AWS's news blog on public IPv4 addresses, since 2024-02).
FARGATE_HOUR = 0.25 * 0.03238 + 0.5 * 0.00356
PUBLIC_ADDRESS_HOUR = 0.005

# The function: 256 MB on ARM for the two seconds that a transaction takes to be confirmed and read back
# (cloudchipr.com/blog/aws-lambda-pricing, 2026-11).
INVOCATION_SECONDS = 2
GIGABYTE_SECOND = 0.0000133334
INVOCATION = 0.20 / 1e6

# The queue: send, receive and delete (cloudburn.io/blog/amazon-sqs-pricing, 2026-03). The event source mapping has five
# pollers, which wait 20 s each time; they become no fewer where its concurrency is limited (Lambda's guide, "Configuring
# scaling behavior for SQS event source mappings").
SQS_REQUEST = 0.40 / 1e6
REQUESTS_A_SESSION = 3
IDLE_POLLS = 5 * SECONDS / 20

# The watermark moves with each listing of the chain, every five seconds, and with each session; it is saved once a second at
# most (c3x.dev/blog/s3-request-fees-explained, 2026-11).
S3_PUT = 0.005 / 1000
LISTINGS = SECONDS / 5
WATERMARK_SAVES_MAX = SECONDS

# Two keys (AWS KMS pricing), and a signature a session at the price of an ECC key, five times a symmetric one's
# (factualminds.com/blog/aws-kms-pricing-keys-requests-multi-region, 2026-06). The data key's yearly rotation adds $1 a month
# for the first and the second of them.
KMS_KEY = 1.00
KMS_SIGNATURE = 0.15 / 1e4

# A line a minute from the listener, and what a session leaves behind: a line of the listener, and of the function its
# start, report, result and metrics. Taken in, and kept for 30 days (cloudburn.io/blog/amazon-cloudwatch-pricing, 2026-02).
LOG_GIGABYTE = 0.50 + 0.03
STATUS_LINE_BYTES = 300
SESSION_LOG_BYTES = 6_000

# Those that metric filters make are always there; the function's thirty in the hours in which it runs. Prices of metrics, alarms and
# dashboard: signoz.io/guides/cloudwatch-pricing, 2026-02.
METRIC = 0.30
METRICS_ALWAYS = 9
METRICS_OF_THE_FUNCTION = 30
ALARMS = 14 * 0.10
DASHBOARD = 3.00

# AWS X-Ray pricing, read 2026-11.
TRACE = 5.00 / 1e6

# What goes out to the RPC: a request a listing, and for each session its transaction, repeats and questions
# (cloudburn.io/blog/amazon-ecr-pricing, 2026-03, which also has the price of the repository).
GIGABYTE_OUT = 0.09
LISTING_BYTES = 1_000
SESSION_BYTES_OUT = 10_000

# Ten images of 30 MB. Those with a tag are kept until somebody deletes them.
IMAGES = 10 * 0.03 * 0.10

# The secret with the RPC's URL (AWS Secrets Manager pricing: $0.40 a secret and month, read 2026-11).
SECRETS = 1 * 0.40

# The ledger: a hold is placed and settled, and each is a write to the budget, to its owner's and of the hold itself, in
# transactions, which count twice (AWS DynamoDB on-demand pricing since 2024-11: $0.625 a million writes).
LEDGER_WRITE = 0.625 / 1e6
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
    saves = min(LISTINGS + sessions, WATERMARK_SAVES_MAX)
    log_gigabytes = (HOURS * 60 * STATUS_LINE_BYTES + sessions * SESSION_LOG_BYTES) / 1e9
    gigabytes_out = (LISTINGS * LISTING_BYTES + sessions * SESSION_BYTES_OUT) / 1e9
    function = sessions * (INVOCATION + 0.25 * INVOCATION_SECONDS * GIGABYTE_SECOND)
    return [
        Item("Fargate", "730 h × (0.25 vCPU × $0.03238 + 0.5 GB × $0.00356)", HOURS * FARGATE_HOUR),
        Item("Public address", "730 h × $0.005", HOURS * PUBLIC_ADDRESS_HOUR),
        Item("Lambda", "sessions × ($0.20 / 10⁶ + 2 s × 0.25 GB × $0.0000133334)", function),
        Item("SQS", "(sessions × 3 + 657,000 idle polls) × $0.40 / 10⁶", requests * SQS_REQUEST),
        Item("S3", "(525,600 + sessions, at most 2,628,000) watermark saves × $0.005 / 10³", saves * S3_PUT),
        Item("KMS", "2 keys × $1 + sessions × $0.15 / 10⁴", 2 * KMS_KEY + sessions * KMS_SIGNATURE),
        Item("Logs", "(43,800 × 300 B + sessions × 6 kB) × ($0.50 + $0.03) / GB", log_gigabytes * LOG_GIGABYTE),
        Item(
            "Metrics",
            "(9 + 30 × share of hours with sessions) × $0.30",
            (METRICS_ALWAYS + METRICS_OF_THE_FUNCTION * busy) * METRIC,
        ),
        Item("Alarms, dashboard", "14 × $0.10 + $3", ALARMS + DASHBOARD),
        Item("DynamoDB", "sessions × 12 writes × $0.625 / 10⁶", sessions * LEDGER_WRITES_A_SESSION * LEDGER_WRITE),
        Item("Secret", "1 × $0.40", SECRETS),
        Item("X-Ray", "sessions × $5 / 10⁶", sessions * TRACE),
        Item("Data out", "(525,600 × 1 kB + sessions × 10 kB) × $0.09 / GB", gigabytes_out * GIGABYTE_OUT),
        Item("ECR", "10 images × 30 MB × $0.10 / GB", IMAGES),
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


if __name__ == "__main__":
    print(table())
    print()
    print(chain_table(LAMPORTS_A_BYTE if len(sys.argv) < 2 else (todays_price(sys.argv[1]),)))
