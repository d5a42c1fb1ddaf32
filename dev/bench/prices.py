"""The list prices of AWS (us-east-1, on demand) in dollars, and the cost of a run's usage."""

from dataclasses import dataclass

from .usage import Usage


@dataclass(frozen=True)
class Price:
    """A list price, the unit that it is for, and its source."""

    what: str
    dollars: float
    per: str
    source: str


STATE = Price("Step Functions Standard, state transition", 25.0, "million", "https://aws.amazon.com/step-functions/pricing/")
WRITE = Price("DynamoDB on demand, write request unit", 0.625, "million", "https://aws.amazon.com/dynamodb/pricing/on-demand/")
READ = Price("DynamoDB on demand, read request unit", 0.125, "million", "https://aws.amazon.com/dynamodb/pricing/on-demand/")
INVOCATION = Price("Lambda, request", 0.20, "million", "https://aws.amazon.com/lambda/pricing/")
GB_SECOND = Price("Lambda x86, GB-second", 0.0000166667, "one", "https://aws.amazon.com/lambda/pricing/")
S3_WRITE = Price("S3 Standard, PUT, COPY, POST or LIST request", 0.005, "thousand", "https://aws.amazon.com/s3/pricing/")
S3_READ = Price("S3 Standard, GET or other request", 0.0004, "thousand", "https://aws.amazon.com/s3/pricing/")
ALL = (STATE, WRITE, READ, INVOCATION, GB_SECOND, S3_WRITE, S3_READ)
UNITS = {"one": 1, "thousand": 1_000, "million": 1_000_000}


def dollars(usage: Usage) -> float:
    """Returns the cost of one run in dollars. DELETE requests of S3 are free."""
    amounts = (
        (STATE, usage.states),
        (WRITE, usage.write_units),
        (READ, usage.read_units),
        (INVOCATION, usage.invocations),
        (GB_SECOND, usage.gb_seconds),
        (S3_WRITE, usage.s3_writes),
        (S3_READ, usage.s3_reads),
    )
    return sum(price.dollars * amount / UNITS[price.per] for price, amount in amounts)
