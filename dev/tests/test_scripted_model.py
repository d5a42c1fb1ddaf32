import json
from typing import Any

import pytest

from scripted_model import Refused, calls_for, completion, reply_to, scripted_json


def request(content: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": content}], **more}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('SCRIPTED: {"a": {"b": [1, "}"]}} and more {}', '{"a": {"b": [1, "}"]}}'),
        ("before SCRIPTED:[1,2]after", "[1,2]"),
        ('SCRIPTED:\n\n  {"n": 1.0}', '{"n": 1.0}'),
        ('SCRIPTED: "SCRIPTED: 7"', '"SCRIPTED: 7"'),
        ("SCRIPTED: 12 apples", "12"),
        ('SCRIPTED: {"text": "a \\" quote and ü"}', '{"text": "a \\" quote and ü"}'),
        ("nothing here", None),
    ],
)
def test_the_scripted_answer_is_the_balanced_json_after_the_mark(text: str, expected: str | None) -> None:
    assert scripted_json(text) == expected


@pytest.mark.parametrize("text", ["SCRIPTED:", "SCRIPTED: {", "SCRIPTED: nonsense", "SCRIPTED: {'a': 1}"])
def test_a_mark_without_json_is_refused_and_not_answered_with_something_else(text: str) -> None:
    with pytest.raises(Refused, match="is not JSON"):
        reply_to(request(text, response_format={"type": "json_schema", "json_schema": {"schema": {}}}))


def test_only_the_last_user_message_is_a_script() -> None:
    body = request("SCRIPTED: 2")
    body["messages"].insert(0, {"role": "user", "content": "SCRIPTED: 1"})
    body["messages"].append({"role": "assistant", "content": "SCRIPTED: 3"})
    assert reply_to(body) == "2"


def test_content_in_parts_is_read_like_text() -> None:
    assert reply_to(request([{"type": "text", "text": "SCRIPTED:"}, {"type": "text", "text": "[true]"}])) == "[true]"


def test_without_a_script_the_schema_decides() -> None:
    schema = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer", "minimum": 1}}}
    body = request("hello", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    assert json.loads(reply_to(body)) == {"amount": 1}


def test_without_script_and_schema_it_says_what_it_is() -> None:
    assert "scripted model" in reply_to(request("hello"))
    assert reply_to(request("hello", response_format={"type": "json_object"})) == "{}"


@pytest.mark.parametrize("body", [None, [], {}, {"messages": []}, {"messages": "x"}])
def test_a_request_without_messages_is_refused(body: Any) -> None:
    with pytest.raises(Refused, match="messages"):
        reply_to(body)


def test_streaming_is_refused() -> None:
    with pytest.raises(Refused, match="does not stream"):
        reply_to(request("hello", stream=True))


def test_a_completion_has_the_shape_and_the_sums_of_the_protocol() -> None:
    answer = completion(request("SCRIPTED: {}"))
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "{}", "refusal": None}
    assert answer["choices"][0]["finish_reason"] == "stop"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] >= 1


def later(body: dict[str, Any], *messages: dict[str, Any]) -> dict[str, Any]:
    return body | {"messages": body["messages"] + list(messages)}


def test_an_answer_that_is_sent_back_is_given_again_unless_another_is_scripted() -> None:
    for script, again in [('SCRIPTED: {"a": 1}', '{"a": 1}'), ('SCRIPTED: {"a": 1} SCRIPTED_AGAIN: {"a": 2}', '{"a": 2}')]:
        body = request(script)
        assert reply_to(body) == '{"a": 1}'
        sent_back = [{"role": "assistant", "content": '{"a": 1}'}, {"role": "user", "content": "That cannot be used."}]
        assert reply_to(later(body, *sent_back)) == again


def test_scripted_tools_are_called_round_by_round_before_the_answer() -> None:
    first = '[{"name": "a", "arguments": {"n": 1}}, {"name": "b", "arguments": "{no json"}]'
    script = "SCRIPTED_TOOLS: [" + first + ', [{"name": "a", "arguments": {}}]] SCRIPTED: 7'
    body = request(script, tools=[{"type": "function"}])
    said: list[dict[str, Any]] = []
    for expected in ([("a", '{"n": 1}'), ("b", "{no json")], [("a", "{}")]):
        choice = completion(later(body, *said))["choices"][0]
        calls = choice["message"]["tool_calls"]
        assert [(call["function"]["name"], call["function"]["arguments"]) for call in calls] == expected
        assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
        said += [choice["message"]] + [{"role": "tool", "tool_call_id": call["id"], "content": "SCRIPTED: 8"} for call in calls]
    choice = completion(later(body, *said))["choices"][0]
    assert (choice["finish_reason"], choice["message"]) == ("stop", {"role": "assistant", "content": "7", "refusal": None})
    assert len({message["tool_call_id"] for message in said if message["role"] == "tool"}) == 3


@pytest.mark.parametrize("script", ["7", "[7]", "[[7]]", '[[{"name": "a"}]]', '{"name": "a"}'])
def test_a_script_of_tools_of_another_shape_is_refused(script: str) -> None:
    with pytest.raises(Refused, match="list of lists of calls"):
        calls_for(request(f"SCRIPTED_TOOLS: {script}", tools=[{"type": "function"}]))


def test_scripted_tools_need_tools_in_the_request() -> None:
    with pytest.raises(Refused, match="offers no tools"):
        completion(request('SCRIPTED_TOOLS: [[{"name": "a", "arguments": {}}]]'))
