"""MiniStack, mended where it differs from AWS in a way that our template or our runs feel.

Started like `python -m ministack`, with the same environment and arguments. What is mended:

* Step Functions ignores `TimeoutSecondsPath`, so a parked run would never meet its deadline.
* CloudFormation ignores a table's `TimeToLiveSpecification` and `PointInTimeRecoverySpecification`, so nothing would expire.
* TTL deletes without a word: the table's stream does not show it, and it sweeps once a minute only.
* A batch of a table's stream of which a function reports failures counts as done, so what failed would never come again.
* API Gateway ignores the gateway responses of an imported API, so an unknown path would break the error envelope.

It also binds to loopback unless BIND_HOST says otherwise: MiniStack's own default is every interface. With STACK_LEDGER it
notes in that file what everything costs (dev/ledger.py), with STACK_ACCESSES what functions ask for (dev/accesses.py).
"""

import json
import os
import sys
import threading
import time
from importlib.metadata import version

MADE_FOR = "1.5.33"
SWEEP_SECONDS = 3
TTL = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
GATEWAY_RESPONSES = "x-amazon-apigateway-gateway-responses"

os.environ.setdefault("BIND_HOST", "127.0.0.1")  # before the import: MiniStack reads it early


def mend_timeout_seconds_path(stepfunctions):
    """Resolve a task's `TimeoutSecondsPath` against its input into `TimeoutSeconds`, which MiniStack honours."""
    execute_task = stepfunctions._execute_task

    def with_timeout(state, raw_input, execution, context):
        path = state.get("TimeoutSecondsPath")
        if path is not None:
            effective = stepfunctions._apply_input_path(state, raw_input, context)
            seconds = stepfunctions._resolve_path_or_ctx(path, effective, context)
            # A bool is an int to Python, and not a number to Step Functions.
            if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 1:
                # As on AWS no Retry and no Catch can hold this: it is raised before either looks.
                raise stepfunctions._ExecutionError(
                    "States.Runtime",
                    f"TimeoutSecondsPath '{path}' must lead to a positive integer, not to {seconds!r}",
                )
            state = {**state, "TimeoutSeconds": seconds}
        return execute_task(state, raw_input, execution, context)

    stepfunctions._execute_task = with_timeout


def mend_table_settings(provisioners, dynamodb):
    """After CloudFormation has made or changed a table, set what its template says about expiry and recovery."""

    def settled(provision, properties_at):
        def provisioned(*args, **kwargs):
            name, attributes = provision(*args, **kwargs)
            properties = args[properties_at]
            for specification, update in (
                ("TimeToLiveSpecification", dynamodb._update_ttl),
                ("PointInTimeRecoverySpecification", dynamodb._update_continuous_backups),
            ):
                if specification in properties:
                    # CloudFormation's parameters arrive as text; only "true" is true.
                    wanted = {key: str(value).lower() == "true" if key.endswith("nabled") else value
                              for key, value in properties[specification].items()}
                    status, _headers, body = update({"TableName": name, specification: wanted})
                    if status >= 400:
                        raise ValueError(f"AWS::DynamoDB::Table {specification}: {body!r}")
            return name, attributes

        return provisioned

    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    handlers["create"] = settled(handlers["create"], properties_at=1)  # (logical id, properties, stack)
    handlers["update"] = settled(handlers["update"], properties_at=2)  # (physical id, old properties, new properties, …)


def mend_expiry(dynamodb):
    """What TTL deletes appears on the stream as AWS shows it, with DynamoDB itself as the one who did it; and it sweeps every few seconds."""
    remove_item, build_change_record = dynamodb._remove_item, dynamodb._build_change_record
    sweeper = "dynamodb-ttl-reaper"  # MiniStack's own thread is called so too

    def is_sweeper():
        return threading.current_thread().name == sweeper

    def removed(table, partition, sort):
        item = remove_item(table, partition, sort)
        if item is not None and is_sweeper():
            dynamodb._emit_stream_event(table["TableName"], "REMOVE", item, None)
        return item

    def built(*args, **kwargs):
        record = build_change_record(*args, **kwargs)
        return {**record, "userIdentity": TTL} if is_sweeper() else record

    def expired(item, attribute, now):
        try:
            return float(dynamodb._extract_key_val(item[attribute])) <= now
        except (KeyError, TypeError, ValueError):
            return False

    def sweep():
        for (account, region, name), setting in list(dynamodb._ttl_settings.all_items()):
            table = dynamodb._tables.get_scoped(account, region, name)
            if table and setting.get("TimeToLiveStatus") == "ENABLED":
                now, attribute = time.time(), setting.get("AttributeName", "")
                for partition, items in list(table["items"].items()):
                    for sort in [sort for sort, item in items.items() if expired(item, attribute, now)]:
                        dynamodb._remove_item(table, partition, sort)

    def keep_sweeping():
        while True:
            time.sleep(SWEEP_SECONDS)
            with dynamodb._lock:
                sweep()

    dynamodb._remove_item, dynamodb._build_change_record = removed, built
    threading.Thread(target=keep_sweeping, daemon=True, name=sweeper).start()


def mend_stream_failures(lambda_svc, dynamodb):
    """A function that reports failures of a stream's batch gets it again from the first record that failed, after a while."""
    execute_function = lambda_svc._execute_function

    def failures(result):
        body = result.get("body")
        try:
            body = json.loads(body) if isinstance(body, str) else body
            return {failure["itemIdentifier"] for failure in body["batchItemFailures"]}
        except (TypeError, ValueError, KeyError):
            return set()

    def mappings(function, stream):
        return [
            mapping
            for _account, _region, mapping in lambda_svc._iter_all_esms()
            if mapping["FunctionName"] == function["config"]["FunctionName"]
            and mapping.get("EventSourceArn") == stream
            and "ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", [])
        ]

    def go_back_to_failed(mapping, stream, failed):
        table = stream.split("/stream/")[0].split("/")[-1]
        with lambda_svc._dynamodb_stream_positions_lock:
            position = lambda_svc._dynamodb_stream_positions[mapping["UUID"]]
            batch = dynamodb.stream_records_since(table, position, mapping.get("BatchSize", 100))
            first = next((at for at, record in enumerate(batch) if record["dynamodb"]["SequenceNumber"] in failed), 0)
            lambda_svc._dynamodb_stream_positions[mapping["UUID"]] = position + first

    def executed(function, event, *args, **kwargs):
        result = execute_function(function, event, *args, **kwargs)
        records = event.get("Records") if isinstance(event, dict) else None
        if not records or records[0].get("eventSource") != "aws:dynamodb" or result.get("error"):
            return result
        stream = records[0].get("eventSourceARN")
        for mapping in mappings(function, stream):
            if failed := failures(result):
                go_back_to_failed(mapping, stream, failed)
                # What MiniStack takes for an error it does not go past.
                message = f"{len(failed)} records of the batch failed"
                return {**result, "error": True, "body": {"errorType": "BatchItemFailures", "errorMessage": message}}
        return result

    lambda_svc._execute_function = executed


def mend_gateway_responses(apigateway):
    """Take over the gateway responses of an OpenAPI document, which SAM writes there."""
    import_rest_api = apigateway._import_rest_api

    def with_responses(document, *args, **kwargs):
        api = import_rest_api(document, *args, **kwargs)
        for kind, response in document.get(GATEWAY_RESPONSES, {}).items():
            status, _headers, body = apigateway._put_gateway_response(api, kind, response)
            if status >= 400:
                raise ValueError(f"{GATEWAY_RESPONSES}.{kind}: {body!r}")
        return api

    apigateway._import_rest_api = with_responses


def main():
    found = version("ministack")
    if found != MADE_FOR:
        sys.exit(
            f"dev/ministack_patched.py was made for ministack {MADE_FOR}, and {found} is installed: "
            "install the pinned version (dev/requirements.txt), or check each patch against the new one."
        )
    from ministack.app import main as ministack
    from ministack.services import apigateway_v1, dynamodb, lambda_svc, stepfunctions
    from ministack.services.cloudformation import provisioners

    mend_timeout_seconds_path(stepfunctions)
    mend_table_settings(provisioners, dynamodb)
    mend_expiry(dynamodb)
    mend_stream_failures(lambda_svc, dynamodb)
    mend_gateway_responses(apigateway_v1)
    if ledger_file := os.environ.get("STACK_LEDGER"):
        import ledger
        from ministack.core import lambda_runtime
        from ministack.services import s3

        modules = {"dynamodb": dynamodb, "s3": s3, "stepfunctions": stepfunctions}
        ledger.attach(ledger_file, **modules, lambda_svc=lambda_svc, lambda_runtime=lambda_runtime)
    if accesses_file := os.environ.get("STACK_ACCESSES"):
        import accesses
        from ministack.services import kms, lambda_svc, s3, sqs

        services = {"dynamodb": dynamodb, "kms": kms, "s3": s3, "sqs": sqs, "stepfunctions": stepfunctions}
        accesses.attach(accesses_file, **services, lambda_svc=lambda_svc)
    ministack()


if __name__ == "__main__":
    main()
