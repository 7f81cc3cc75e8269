"""What a month of Session Builder costs on AWS: prices, quantities and their product, as the table in README.md.

Prices are those of us-east-1 in US dollars, without any free tier. Quantities err upwards: every session is an invocation
and a transaction of its own, though batches share both.
"""

from dataclasses import dataclass

SESSIONS_A_DAY = (10, 1_000, 100_000)

DAYS = 365 / 12
HOURS = 24 * DAYS
SECONDS = 3600 * HOURS

# The listener: a quarter of a processor and half a gigabyte on ARM, and the address by which it reaches the internet.
FARGATE_HOUR = 0.25 * 0.03238 + 0.5 * 0.00356
PUBLIC_ADDRESS_HOUR = 0.005

# The function: 256 MB on ARM for the two seconds that a transaction takes to be confirmed and read back.
INVOCATION_SECONDS = 2
GIGABYTE_SECOND = 0.0000133334
INVOCATION = 0.20 / 1e6

# The queue: send, receive and delete; and the event source mapping's five pollers, which wait 20 s each time.
SQS_REQUEST = 0.40 / 1e6
REQUESTS_A_SESSION = 3
IDLE_POLLS = 5 * SECONDS / 20

# The cursor moves with each listing of the chain, every five seconds.
S3_PUT = 0.005 / 1000
CURSOR_SAVES = SECONDS / 5

# Two keys, and a signature a session.
KMS_KEY = 1.00
KMS_SIGNATURE = 0.15 / 1e4

# A line a minute from the listener, and what a session leaves behind: a line of the listener, and of the function its
# start, report, result and metrics.
LOG_GIGABYTE = 0.50
STATUS_LINE_BYTES = 300
SESSION_LOG_BYTES = 6_000

# Three metrics are always there; the function's thirty in the hours in which it runs.
METRIC = 0.30
METRICS_ALWAYS = 3
METRICS_OF_THE_FUNCTION = 30
ALARMS = 7 * 0.10
DASHBOARD = 3.00

TRACE = 5.00 / 1e6

# Ten images of 30 MB.
IMAGES = 10 * 0.03 * 0.10


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
    log_gigabytes = (HOURS * 60 * STATUS_LINE_BYTES + sessions * SESSION_LOG_BYTES) / 1e9
    function = sessions * (INVOCATION + 0.25 * INVOCATION_SECONDS * GIGABYTE_SECOND)
    return [
        Item("Fargate", "730 h × (0.25 vCPU × $0.03238 + 0.5 GB × $0.00356)", HOURS * FARGATE_HOUR),
        Item("Public address", "730 h × $0.005", HOURS * PUBLIC_ADDRESS_HOUR),
        Item("Lambda", "sessions × ($0.20 / 10⁶ + 2 s × 0.25 GB × $0.0000133334)", function),
        Item("SQS", "(sessions × 3 + 657,000 idle polls) × $0.40 / 10⁶", requests * SQS_REQUEST),
        Item("S3", "525,600 cursor saves × $0.005 / 10³", CURSOR_SAVES * S3_PUT),
        Item("KMS", "2 keys × $1 + sessions × $0.15 / 10⁴", 2 * KMS_KEY + sessions * KMS_SIGNATURE),
        Item("Logs", "(43,800 × 300 B + sessions × 6 kB) × $0.50 / GB", log_gigabytes * LOG_GIGABYTE),
        Item(
            "Metrics",
            "(3 + 30 × share of hours with sessions) × $0.30",
            (METRICS_ALWAYS + METRICS_OF_THE_FUNCTION * busy) * METRIC,
        ),
        Item("Alarms, dashboard", "7 × $0.10 + $3", ALARMS + DASHBOARD),
        Item("X-Ray", "sessions × $5 / 10⁶", sessions * TRACE),
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


if __name__ == "__main__":
    print(table())
