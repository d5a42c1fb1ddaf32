"""The scripted model of the local stack: a chat-completions server whose answers are written in the request.

Its script is the last user message with one of these marks, each followed by JSON:

- `SCRIPTED:` is the answer. Without it, the answer is the smallest value that satisfies the JSON schema of the request.
- `SCRIPTED_AGAIN:` is the answer when a later user message sends the first answer back. Without it, the first answer is repeated.
- `SCRIPTED_TOOLS:` are the tool calls before the answer: a list with one list of calls for each round, for example
  `[[{"name": "custom_crm", "arguments": {"id": 7}}]]`. Arguments that are a string are sent as they are.

It is not a language model: `GET /` says so.
"""

import argparse
import itertools
import json
import time
from typing import Any, ClassVar

from recording_server import RecordingHandler, Request, serve
from smallest_value import NoValue, smallest_value

MARK = "SCRIPTED:"
AGAIN = "SCRIPTED_AGAIN:"
TOOLS = "SCRIPTED_TOOLS:"
_ids = itertools.count(1)


class Refused(ValueError):
    """The request cannot be answered; the text is sent to the caller as an error in the form of OpenAI's API."""


def scripted_json(text: str, mark: str = MARK) -> str | None:
    """Returns the text of the JSON value after the first mark, exactly as written; None if there is no mark."""
    _, found, rest = text.partition(mark)
    if not found:
        return None
    rest = rest.lstrip()
    try:
        _, end = json.JSONDecoder().raw_decode(rest)
    except ValueError as problem:
        raise Refused(f"what follows {mark} in the last user message is not JSON: {problem}") from None
    return rest[:end]


def message_text(message: dict[str, Any]) -> str:
    """Returns the text of a message, whose content is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def messages_of(body: Any) -> list[dict[str, Any]]:
    """Returns the messages of a chat-completions request; raises Refused if it has none or wants a stream."""
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise Refused("`messages` must be a list with at least one message")
    if body.get("stream"):
        raise Refused("the scripted model does not stream; leave `stream` out")
    return [message for message in body["messages"] if isinstance(message, dict)]


def script_of(messages: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Returns the text of the last user message with a mark, and the messages after it."""
    for at in reversed(range(len(messages))):
        text = message_text(messages[at])
        if messages[at].get("role") == "user" and any(mark in text for mark in (MARK, AGAIN, TOOLS)):
            return text, messages[at + 1 :]
    return "", []


def calls_for(body: Any) -> list[dict[str, Any]]:
    """Returns the tool calls of the next round as the protocol writes them; none if the answer is next."""
    text, since = script_of(messages_of(body))
    rounds = json.loads(scripted_json(text, TOOLS) or "[]")
    done = sum(1 for message in since if message.get("tool_calls"))
    try:
        calls = rounds[done] if done < len(rounds) else []
        functions = [(call["name"], call["arguments"]) for call in calls]
    except (KeyError, TypeError):
        raise Refused(f"what follows {TOOLS} must be a list of lists of calls, each with `name` and `arguments`") from None
    if functions and not body.get("tools"):
        raise Refused(f"{TOOLS} is scripted, but the request offers no tools")
    return [
        {
            "id": f"call_{next(_ids)}",
            "type": "function",
            "function": {"name": name, "arguments": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)},
        }
        for name, value in functions
    ]


def reply_to(body: Any) -> str:
    """Returns the content of the assistant's message for a chat-completions request."""
    text, since = script_of(messages_of(body))
    sent_back = any(message.get("role") == "user" for message in since)
    scripted = scripted_json(text, AGAIN) if sent_back else None
    if scripted is None:
        scripted = scripted_json(text)
    if scripted is not None:
        return scripted
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        try:
            return json.dumps(smallest_value(wanted["json_schema"]["schema"]), ensure_ascii=False)
        except (KeyError, TypeError):
            raise Refused("`response_format.json_schema.schema` is missing") from None
        except NoValue as problem:
            raise Refused(f"{problem}; put the answer after {MARK} in the user message instead") from None
    if wanted.get("type") == "json_object":
        return "{}"
    return "This is the scripted model of the local stack; it has nothing scripted for this message."


def estimated_tokens(text: str) -> int:
    """Returns an estimate of four bytes for each token, which is enough for a usage figure that is not billed."""
    return max(1, (len(text.encode("utf-8")) + 3) // 4)


def completion(body: Any) -> dict[str, Any]:
    """Returns the chat-completions response to `body`."""
    calls = calls_for(body)
    content = None if calls else reply_to(body)
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    prompt_tokens = sum(estimated_tokens(message_text(m)) + 4 for m in body["messages"] if isinstance(m, dict))
    completion_tokens = estimated_tokens(json.dumps(calls) if content is None else content)
    return {
        "id": f"chatcmpl-scripted-{next(_ids)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.get("model") or "scripted",
        "system_fingerprint": "scripted-model",
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": "tool_calls" if calls else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def error(message: str) -> dict[str, Any]:
    """Returns the body of an error in the form of OpenAI's API."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


class ModelHandler(RecordingHandler):
    """Answers the two paths of the chat-completions protocol that the functions and other clients use."""

    about: ClassVar[dict[str, str]] = {
        "service": "scripted model",
        "says": f"A part of the local stack, no language model. POST /v1/chat/completions answers the JSON that follows "
        f"{MARK} in the last user message that has it, otherwise the smallest value of the requested schema; "
        f"{TOOLS} makes it call tools first. "
        "GET /_requests lists what it was sent. Set LLM_BASE_URL to use a real model.",
    }

    def answer(self, request: Request) -> tuple[int, Any]:
        """Returns a completion, the list of models or an error."""
        if request.path == "/v1/models" and request.method == "GET":
            return 200, {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "local-stack"}]}
        if request.path != "/v1/chat/completions":
            return 404, error(f"no such path: {request.path}; this server answers POST /v1/chat/completions")
        if request.method != "POST":
            return 405, error("use POST")
        try:
            return 200, completion(request.body)
        except Refused as problem:
            return 400, error(str(problem))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    serve(parser.parse_args().port, ModelHandler)
